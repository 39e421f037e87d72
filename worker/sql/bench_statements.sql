-- no parameters. What took longest in this database; times in microseconds
select s.query, s.calls, s.rows, (s.total_exec_time * 1000)::bigint as time_us
from pg_stat_statements s
where s.dbid = (select oid from pg_catalog.pg_database where datname = current_database())
order by s.total_exec_time desc
limit 14
