-- $1 text customer_id, $2 text currency_id or null for all, $3 text resource_id or null for all,
-- $4 bigint first seq or null, $5 bigint limit. Of each account the entries from the first seq on, without one the
-- newest; of these the oldest, without a first seq the newest. seq is gap-free: a range of it needs no sorting.
select of_customer.*
from (
    select l.entry_id, l.currency_id, l.resource_id, l.seq, l.event_type, l.amount, l.grant_id, l.grant_remaining,
           l.balance_before, l.balance_after, l.idempotency_key, l.requested_amount, l.first_seq, l.last_seq,
           l.outcome, l.event_time, l.recorded_at, l.dimensions, l.source_topic, l.source_partition, l.source_offset
    from drawdown.accounts a
    join drawdown.ledger l
      on l.customer_id = a.customer_id and l.currency_id = a.currency_id and l.resource_key = a.resource_key
         and l.seq >= coalesce($4::bigint, a.seq - $5::bigint + 1)
         and l.seq < coalesce($4::bigint, a.seq - $5::bigint + 1) + $5::bigint
    where a.customer_id = $1::text and ($2::text is null or a.currency_id = $2::text)
      and ($3::text is null or a.resource_key = $3::text)
    order by case when $4::bigint is null then l.recorded_at end desc,
             case when $4::bigint is null then l.seq end desc,
             l.recorded_at, l.currency_id, l.resource_id nulls first, l.seq
    limit $5::bigint) of_customer
order by recorded_at, currency_id, resource_id nulls first, seq
