-- no parameters. May we make databases, and what can the server tell?
select (select r.rolcreatedb or r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) as may_create,
       current_setting('track_commit_timestamp')::boolean as has_commit_times,
       exists (select from pg_catalog.pg_available_extensions where name = 'pg_stat_statements')
           and current_setting('shared_preload_libraries') like '%pg_stat_statements%'
           and (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) as has_statements,
       exists (select from pg_catalog.pg_available_extensions where name = 'pg_prewarm')
           and (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) as has_prewarm,
       pg_backend_pid() as pid
