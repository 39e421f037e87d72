-- $1 text database. Its sessions but our own, and the server's processes that work for all; what each waits for, null
-- where it is idle or runs
select a.pid, a.datname is null as is_shared, a.state is not distinct from 'active' as is_active,
       a.wait_event_type || ':' || a.wait_event as wait
from pg_catalog.pg_stat_activity a
where a.datname = $1::text and a.application_name <> 'drawdown bench'
   or a.backend_type in ('checkpointer', 'background writer', 'walwriter')
