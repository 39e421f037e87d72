-- no parameters. What matters for speed
select s.name, current_setting(s.name) as value
from pg_catalog.pg_settings s
where s.name in ('server_version', 'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'wal_compression',
                 'synchronous_commit', 'fsync', 'full_page_writes', 'track_commit_timestamp',
                 'shared_preload_libraries', 'wal_buffers', 'random_page_cost', 'max_connections')
order by s.name
