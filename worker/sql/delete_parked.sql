-- $1 text[] customer_id, $2 integer[] partition, $3 bigint[] ordinal
delete from drawdown.parked p
using unnest($1::text[], $2::integer[], $3::bigint[]) as k(customer_id, partition, ordinal)
where p.customer_id = k.customer_id and p.source_partition = k.partition and p.ordinal = k.ordinal
