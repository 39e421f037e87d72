-- $1 text[] customer_id: whose keys, each once, $2 uuid[] key_hash, ascending
select r.key_hash, r.customer_id, r.event_class, r.idempotency_key, r.fingerprint, r.kind, r.currency_id, r.resource_id,
       r.outcome, r.code, r.requested_amount, r.applied_amount, r.balance, r.range_first, r.range_last,
       r.first_seq, r.last_seq, r.notifications, r.source_topic, r.source_partition, r.source_offset, r.source_timestamp
from drawdown.receipt r
where r.key_hash = any($2::uuid[]) and r.customer_id = any($1::text[])
