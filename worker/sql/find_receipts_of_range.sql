-- $1 text topic, $2 integer partition, $3 bigint first offset, $4 bigint offset behind the last
select r.customer_id, r.key_hash,
       r.event_class, r.idempotency_key, r.fingerprint, r.kind, r.currency_id, r.resource_id,
       r.outcome, r.code, r.requested_amount, r.applied_amount, r.balance, r.range_first, r.range_last,
       r.first_seq, r.last_seq, r.notifications, r.source_topic, r.source_partition, r.source_offset, r.source_timestamp
from drawdown.receipt r
where r.source_topic = $1::text and r.source_partition = $2::integer
  and r.source_offset >= $3::bigint and r.source_offset < $4::bigint
order by r.source_offset
