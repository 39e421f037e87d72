-- $1 text[] topic, $2 integer[] partition, $3 bigint[] epoch, $4 bigint[] recorded: in order of the first two;
-- $5 integer lane. A row that does not come back belongs to somebody else now.
update drawdown.input_position p
set recorded = greatest(p.recorded, k.recorded)
from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) with ordinality
         as k(topic, partition, epoch, recorded, position)
where p.topic = k.topic and p.partition = k.partition and p.lane = $5::integer and p.epoch = k.epoch
returning k.position
