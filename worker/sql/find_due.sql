-- $1 timestamptz until, $2 timestamptz, $3 text customer_id, $4 text currency_id, $5 text resource_id: the row behind
-- which to go on, $6 integer rows. What is due, in order of time.
select d.due_at, d.customer_id, d.currency_id, d.resource_id
from drawdown.due d
where d.due_at <= $1::timestamptz
  and (d.due_at, d.customer_id, d.currency_id, d.resource_id) > ($2::timestamptz, $3::text, $4::text, $5::text)
order by d.due_at, d.customer_id, d.currency_id, d.resource_id
limit $6::integer
