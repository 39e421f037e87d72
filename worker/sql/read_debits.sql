-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 bigint[] first seq, $5 bigint[] last seq.
-- What consumptions took from which grants, and how much of it was reversed (null: never).
select k.position, l.grant_id, -l.amount as amount, r.reversed
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) with ordinality
         as k(customer_id, currency_id, resource_id, first_seq, last_seq, position)
join drawdown.ledger_entry l
  on l.customer_id = k.customer_id and l.currency_id = k.currency_id and l.resource_id = k.resource_id
     and l.seq between k.first_seq and k.last_seq and l.event_type = 2
left join drawdown.reversal r
  on r.customer_id = k.customer_id and r.currency_id = k.currency_id and r.resource_id = k.resource_id
     and r.first_seq = k.first_seq
order by k.position, l.seq
