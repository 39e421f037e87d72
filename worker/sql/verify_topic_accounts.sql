-- $1 text customer_id, $2 text currency_id, $3 text resource_id: the accounts behind this one, $4 text last customer,
-- $5 bigint limit
select a.customer_id, a.currency_id, a.resource_id, a.seq
from drawdown.account a
where (a.customer_id, a.currency_id, a.resource_id) > ($1::text, $2::text, $3::text) and a.customer_id <= $4::text
order by a.customer_id, a.currency_id, a.resource_id
limit $5::bigint
