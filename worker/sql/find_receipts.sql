-- $1 text[] customer_id, $2 uuid[] key_hash
select k.position, r.event_class, r.idempotency_key, r.fingerprint, r.kind, r.currency_id, r.resource_id,
       r.outcome, r.code, r.requested_amount, r.applied_amount, r.balance, r.range_first, r.range_last,
       r.first_seq, r.last_seq, r.notifications, r.source_topic, r.source_partition, r.source_offset, r.source_timestamp
from unnest($1::text[], $2::uuid[]) with ordinality as k(customer_id, key_hash, position)
join drawdown.receipt r on r.customer_id = k.customer_id and r.key_hash = k.key_hash
