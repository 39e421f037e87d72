-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 timestamptz[] due_at
insert into drawdown.due (customer_id, currency_id, resource_id, due_at)
select k.customer_id, k.currency_id, k.resource_id, k.due_at
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as k(customer_id, currency_id, resource_id, due_at)
on conflict (customer_id, currency_id, resource_id) do update set due_at = excluded.due_at
