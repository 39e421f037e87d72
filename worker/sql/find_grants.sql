-- $1 text[] customer_id, $2 text[] grant_id
select k.position, g.currency_id, g.resource_id, g.grant_type, g.end_kind, g.priority, g.effective_at, g.expire_at,
       g.created_at, g.ordinal
from unnest($1::text[], $2::text[]) with ordinality as k(customer_id, grant_id, position)
join drawdown.credit_grant g on g.customer_id = k.customer_id and g.grant_id = k.grant_id
