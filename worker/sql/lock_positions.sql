-- $1 text[] topic, $2 integer[] partition: in order of both
select k.position, p.lane, p.epoch, p.recorded
from unnest($1::text[], $2::integer[]) with ordinality as k(topic, partition, position)
join drawdown.input_position p on p.topic = k.topic and p.partition = k.partition
order by p.topic, p.partition, p.lane
for update of p
