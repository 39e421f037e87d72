-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id
delete from drawdown.due d
using unnest($1::text[], $2::text[], $3::text[]) as k(customer_id, currency_id, resource_id)
where d.customer_id = k.customer_id and d.currency_id = k.currency_id and d.resource_id = k.resource_id
