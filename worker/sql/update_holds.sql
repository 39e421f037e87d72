-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 text[] reservation_id, $5 smallint[] state,
-- $6 timestamptz[] expires_at, $7 timestamptz[] closed_at
update drawdown.hold h
set state = k.state, expires_at = k.expires_at, closed_at = k.closed_at
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::timestamptz[], $7::timestamptz[])
         as k(customer_id, currency_id, resource_id, reservation_id, state, expires_at, closed_at)
where h.customer_id = k.customer_id and h.currency_id = k.currency_id and h.resource_id = k.resource_id
  and h.reservation_id = k.reservation_id
