-- $1 bigint first customer, $2 bigint last, $3 bigint receipts that each has, $4 bigint that each shall have
insert into drawdown.receipt (
    source_timestamp, source_offset, range_first, range_last, first_seq, last_seq, source_partition, event_class, kind,
    outcome, key_hash, fingerprint, customer_id, currency_id, resource_id, requested_amount, applied_amount, balance,
    idempotency_key, source_topic)
select t.moment, n.number, n.number, n.number, n.number, n.number, 0, 0, 0,
       1, md5(c.number || '/' || n.number)::uuid, md5(n.number || '/' || c.number)::uuid,
       'customer-' || lpad(c.number::text, 7, '0'), 'ai-tokens', 'filler', 0.5, 0.5, 1000000 - 0.5 * n.number,
       md5(c.number || '/' || n.number)::uuid::text, 'filler'
from (select now() as moment) t
cross join generate_series($1::bigint, $2::bigint) c(number)
cross join lateral generate_series($3::bigint + 1, $4::bigint) n(number)
