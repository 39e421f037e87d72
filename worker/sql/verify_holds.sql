-- $1 text customer_id, $2 text currency_id, $3 text resource_id: of the accounts behind this one, $4, $5, $6: up to
-- this one. Where open holds contradict their parts, or the grants that these name.
with hold as materialized (
    select h.customer_id, h.currency_id, h.resource_id, h.reservation_id, h.amount, h.parts
    from drawdown.hold h
    where (h.customer_id, h.currency_id, h.resource_id) > ($1::text, $2::text, $3::text)
      and (h.customer_id, h.currency_id, h.resource_id) <= ($4::text, $5::text, $6::text)
      and h.state = 0
), part as materialized (
    select h.customer_id, h.currency_id, h.resource_id, h.reservation_id, h.amount as hold_amount,
           p."grantId" as grant_id, p.amount
    from hold h
    left join lateral json_to_recordset(h.parts) as p("grantId" text, amount numeric) on true
), kept as (
    select p.customer_id, p.currency_id, p.resource_id, p.grant_id, sum(p.amount) as amount
    from part p
    group by p.customer_id, p.currency_id, p.resource_id, p.grant_id
), open as (
    select a.customer_id, a.currency_id, a.resource_id, o."grantId" as grant_id, o.status, o.remaining
    from drawdown.account a,
         json_to_recordset(a.open_grants) as o("grantId" text, status text, remaining numeric)
    where (a.customer_id, a.currency_id, a.resource_id) > ($1::text, $2::text, $3::text)
      and (a.customer_id, a.currency_id, a.resource_id) <= ($4::text, $5::text, $6::text)
)
select p.customer_id, p.currency_id, p.resource_id, format('hold %s: sum of its parts', p.reservation_id) as what,
       trim_scale(p.hold_amount)::text as expected, coalesce(trim_scale(sum(p.amount)), 0)::text as found
from part p
group by p.customer_id, p.currency_id, p.resource_id, p.reservation_id, p.hold_amount
having p.hold_amount <> coalesce(sum(p.amount), 0) or min(p.amount) <= 0
union all
select customer_id, currency_id, resource_id, format('grant %s: what holds keep of it', grant_id),
       case when o.remaining is null then 'an open grant'
            when o.status in ('EXPIRED', 'VOIDED') then trim_scale(o.remaining)::text
            else format('at most %s', trim_scale(o.remaining)) end,
       coalesce(trim_scale(k.amount), 0)::text
from kept k
full join open o using (customer_id, currency_id, resource_id, grant_id)
where case when o.remaining is null then k.amount is not null
           when o.status in ('EXPIRED', 'VOIDED') then k.amount is distinct from o.remaining
           when o.status = 'ACTIVE' then k.amount > o.remaining
           else k.amount is not null end
