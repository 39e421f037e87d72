-- $1 text customer_id, $2 integer partition, $3 bigint the first ordinal, $4 bigint limit
select p.ordinal, p.source_topic, p.source_offset, p.key, p.value, p.headers
from drawdown.parked p
where p.customer_id = $1::text and p.source_partition = $2::integer and p.ordinal >= $3::bigint
order by p.ordinal
limit $4::bigint
