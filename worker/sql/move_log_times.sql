-- $1 text[] topic, $2 integer[] partition, $3 bigint[] epoch, $4 timestamptz[] log_time. Rows are locked in the order in
-- which lanes and claims lock them; those that belong to somebody else now stay as they are.
with owned as materialized (
    select p.topic, p.partition, k.log_time
    from unnest($1::text[], $2::integer[], $3::bigint[], $4::timestamptz[]) as k(topic, partition, epoch, log_time)
    join drawdown.input_position p
      on p.topic = k.topic and p.partition = k.partition and p.lane = 0 and p.epoch = k.epoch
    where p.log_time is null or p.log_time < k.log_time
    order by p.topic, p.partition
    for update of p
)
update drawdown.input_position p
set log_time = o.log_time
from owned o
where p.topic = o.topic and p.partition = o.partition and p.lane = 0
