-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id. By account, whatever the statistics say (offset 0):
-- they may be of a time when next to no hold was open.
select k.position, h.reservation_id, h.state, h.amount, h.created_at, h.expires_at, h.closed_at, h.ordinal, h.parts
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as k(customer_id, currency_id, resource_id, position)
cross join lateral (
    select *
    from drawdown.hold
    where customer_id = k.customer_id and currency_id = k.currency_id and resource_id = k.resource_id and state = 0
    offset 0) h
