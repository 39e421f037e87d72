-- $1 text[] topic, $2 integer[] partition. Ends the sessions of our own role that hold the rows of these partitions.
select distinct a.pid, a.application_name, pg_terminate_backend(a.pid) as ended
from unnest($1::text[], $2::integer[]) as k(topic, partition)
join drawdown.input_position p on p.topic = k.topic and p.partition = k.partition
join pg_stat_activity a on a.backend_xid = p.xmax
where a.usename = session_user and a.pid <> pg_backend_pid()
