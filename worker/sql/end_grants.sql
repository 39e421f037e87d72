-- $1 text[] customer_id, $2 text[] grant_id, $3 smallint[] end_kind, $4 timestamptz[] ended_at
update drawdown.credit_grant g
set end_kind = k.end_kind, ended_at = k.ended_at
from unnest($1::text[], $2::text[], $3::smallint[], $4::timestamptz[]) as k(customer_id, grant_id, end_kind, ended_at)
where g.customer_id = k.customer_id and g.grant_id = k.grant_id
