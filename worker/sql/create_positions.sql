-- $1 text[] topic, $2 integer[] partition, $3 bigint[] recorded
insert into drawdown.input_position (topic, partition, lane, epoch, recorded)
select k.topic, k.partition, 0, 0, k.recorded
from unnest($1::text[], $2::integer[], $3::bigint[]) with ordinality as k(topic, partition, recorded, position)
order by k.position
on conflict do nothing
