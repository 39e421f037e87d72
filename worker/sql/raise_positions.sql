-- $1 text[] topic, $2 integer[] partition, $3 bigint[] epoch, $4 bigint[] recorded, $5 integer lanes.
-- The rows of lanes that were added since are made; those of lanes that are no longer used are fenced with the others.
insert into drawdown.input_position as p (topic, partition, lane, epoch, recorded)
select k.topic, k.partition, lane, k.epoch, k.recorded
from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) with ordinality
         as k(topic, partition, epoch, recorded, position),
     generate_series(0, $5::integer - 1) as lane
order by k.position, lane
on conflict (topic, partition, lane) do update set epoch = excluded.epoch
