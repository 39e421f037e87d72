-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 bigint[] seq
select k.position, l.seq, l.event_type, l.amount, l.grant_id, l.grant_remaining, l.balance_before, l.balance_after,
       l.idempotency_key, l.requested_amount, l.first_seq, l.last_seq, l.outcome, l.event_time, l.recorded_at,
       l.dimensions, l.source_topic, l.source_partition, l.source_offset, l.source_timestamp, l.traceparent
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) with ordinality
         as k(customer_id, currency_id, resource_id, seq, position)
join drawdown.ledger_entry l
  on l.customer_id = k.customer_id and l.currency_id = k.currency_id and l.resource_id = k.resource_id
     and l.seq = k.seq
