-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id: in order of all three.
-- One that somebody else made meanwhile does not come back.
insert into drawdown.account (customer_id, currency_id, resource_id)
select k.customer_id, k.currency_id, k.resource_id
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as k(customer_id, currency_id, resource_id, position)
order by k.position
on conflict do nothing
returning ctid, customer_id, currency_id, resource_id
