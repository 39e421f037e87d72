-- $1 bigint first customer, $2 bigint last, $3 bigint entries that each has, $4 bigint that each shall have
insert into drawdown.ledger_entry (
    seq, first_seq, last_seq, event_time, recorded_at, source_offset, source_timestamp, source_partition, event_type,
    outcome, customer_id, currency_id, resource_id, amount, grant_remaining, balance_before, balance_after,
    requested_amount, grant_id, idempotency_key, source_topic)
select n.number, n.number, n.number, t.moment, t.moment, n.number, t.moment, 0, 2,
       1, 'customer-' || lpad(c.number::text, 7, '0'), 'ai-tokens', 'filler', -0.5, 1000000 - 0.5 * n.number,
       1000000 - 0.5 * (n.number - 1), 1000000 - 0.5 * n.number, 0.5, 'bench-grant-0',
       md5(c.number || '/' || n.number)::uuid::text, 'filler'
from (select now() as moment) t
cross join generate_series($1::bigint, $2::bigint) c(number)
cross join lateral generate_series($3::bigint + 1, $4::bigint) n(number)
