-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 text[] reservation_id
select k.position, h.reservation_id, h.state, h.amount, h.created_at, h.expires_at, h.closed_at, h.ordinal, h.parts
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
         as k(customer_id, currency_id, resource_id, reservation_id, position)
join drawdown.hold h
  on h.customer_id = k.customer_id and h.currency_id = k.currency_id and h.resource_id = k.resource_id
     and h.reservation_id = k.reservation_id
