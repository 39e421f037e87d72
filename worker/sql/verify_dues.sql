-- $1 text customer_id, $2 text currency_id, $3 text resource_id: of the accounts behind this one, $4, $5, $6: up to
-- this one. Accounts that nobody would wake in time: a posting or the end of a hold before drawdown.due says so, or no
-- row at all. An expiry's time may have moved with the grace of its currency.
select s.customer_id, s.currency_id, s.resource_id, 'due_at' as what,
       coalesce('at the latest ' || to_timestamp(s.due_us / 1000000.0)::text, 'there') as expected,
       coalesce(d.due_at::text, 'missing') as found
from (
    select a.customer_id, a.currency_id, a.resource_id, g.expires,
           least(g.effective_us, (
               select (extract(epoch from min(h.expires_at)) * 1000000)::bigint
               from drawdown.hold h
               where h.customer_id = a.customer_id and h.currency_id = a.currency_id
                 and h.resource_id = a.resource_id and h.state = 0)) as due_us
    from drawdown.account a
    cross join lateral (
        select min(o."effectiveAt") filter (where o.status = 'SCHEDULED') as effective_us,
               bool_or(o."expireAt" is not null
                       and o.status in ('SCHEDULED', 'PAYMENT_PENDING', 'ACTIVE')) as expires
        from json_to_recordset(a.open_grants) as o(status text, "effectiveAt" bigint, "expireAt" bigint)) g
    where (a.customer_id, a.currency_id, a.resource_id) > ($1::text, $2::text, $3::text)
      and (a.customer_id, a.currency_id, a.resource_id) <= ($4::text, $5::text, $6::text)) s
left join drawdown.due d
  on d.customer_id = s.customer_id and d.currency_id = s.currency_id and d.resource_id = s.resource_id
where (s.due_us is not null or s.expires)
  and (d.due_at is null or (extract(epoch from d.due_at) * 1000000)::bigint > s.due_us)
