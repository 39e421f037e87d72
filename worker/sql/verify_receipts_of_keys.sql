-- $1 text[] customer_id, $2 uuid[] key_hash
select k.position, r.currency_id, r.resource_id, r.range_first, r.range_last,
       r.source_topic, r.source_partition, r.source_offset, r.source_timestamp
from unnest($1::text[], $2::uuid[]) with ordinality as k(customer_id, key_hash, position)
join drawdown.receipt r on r.customer_id = k.customer_id and r.key_hash = k.key_hash
