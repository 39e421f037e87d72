-- $1 text customer_id, $2 text currency_id, $3 text resource_id: of the accounts behind this one, $4, $5, $6: up to
-- this one. Where the open grants of an account and the rows of its grants contradict each other.
with slice as materialized (
    select a.customer_id, a.currency_id, a.resource_id, a.grants_made, a.granted, a.open_grants
    from drawdown.account a
    where (a.customer_id, a.currency_id, a.resource_id) > ($1::text, $2::text, $3::text)
      and (a.customer_id, a.currency_id, a.resource_id) <= ($4::text, $5::text, $6::text)
), open as (
    select s.customer_id, s.currency_id, s.resource_id, o."grantId" as grant_id, o."grantType" as grant_type, o.status,
           o.remaining, o.priority, o."effectiveAt" as effective_us, o."expireAt" as expire_us,
           o."createdAt" as created_us, o.ordinal
    from slice s,
         json_to_recordset(s.open_grants) as o(
             "grantId" text, "grantType" text, status text, remaining numeric, priority integer,
             "effectiveAt" bigint, "expireAt" bigint, "createdAt" bigint, ordinal bigint)
), made as materialized (
    select g.customer_id, g.currency_id, g.resource_id, g.grant_id, g.amount, g.end_kind, g.priority, g.ordinal,
           case g.grant_type when 0 then 'PROMOTIONAL' when 1 then 'PAID' when 2 then 'OVERDRAFT' end as grant_type,
           (extract(epoch from g.effective_at) * 1000000)::bigint as effective_us,
           (extract(epoch from g.expire_at) * 1000000)::bigint as expire_us,
           (extract(epoch from g.created_at) * 1000000)::bigint as created_us
    from drawdown.credit_grant g
    where g.customer_id >= $1::text and g.customer_id <= $4::text
      and (g.customer_id, g.currency_id, g.resource_id) > ($1::text, $2::text, $3::text)
      and (g.customer_id, g.currency_id, g.resource_id) <= ($4::text, $5::text, $6::text)
), of_grants as (
    select customer_id, currency_id, resource_id, grant_id, case
               when m.ordinal is null then 'its row in credit_grant'
               when o.ordinal is null then case when m.end_kind = 0 then 'its place among the open grants' end
               when m.end_kind <> case o.status when 'EXPIRED' then 2 when 'VOIDED' then 3 else 0 end then 'how it ended'
               when (o.grant_type, o.priority, o.effective_us, o.created_us, o.ordinal)
                    <> (m.grant_type, m.priority, m.effective_us, m.created_us, m.ordinal)
                    or o.expire_us is distinct from m.expire_us then 'its terms'
               when m.grant_type = 'OVERDRAFT' then case when o.remaining >= 0 then 'what is left of the overdraft' end
               when o.remaining <= 0 or o.remaining > m.amount
                    or (o.status in ('SCHEDULED', 'PAYMENT_PENDING') and o.remaining <> m.amount)
                   then 'what is left of it' end as what,
           m.ordinal is null as is_unknown, o.ordinal is null as is_closed, m.end_kind, o.status, m.amount, o.remaining,
           m.grant_type as made_type, m.priority as made_priority, m.ordinal as made_ordinal, m.effective_us as
           made_effective, m.expire_us as made_expire, o.grant_type, o.priority, o.ordinal, o.effective_us, o.expire_us
    from open o
    full join made m using (customer_id, currency_id, resource_id, grant_id)
), of_accounts as (
    select customer_id, currency_id, resource_id, max(grants_made) as grants_made, max(granted) as granted,
           sum(grants_count) as grants_count, sum(amount) as amount
    from (
        select customer_id, currency_id, resource_id, grants_made, granted, 0 as grants_count, 0 as amount
        from slice
        union all
        select customer_id, currency_id, resource_id, null, null, 1, amount
        from made) both_sides
    group by customer_id, currency_id, resource_id
)
select customer_id, currency_id, resource_id, format('grant %s: %s', grant_id, what) as what,
       case what
           when 'its row in credit_grant' then 'there'
           when 'its place among the open grants' then 'there'
           when 'how it ended' then format('end_kind %s', end_kind)
           when 'its terms' then concat_ws(' ', made_type, made_priority, made_effective, coalesce(made_expire::text,
                                           'never'), made_ordinal)
           when 'what is left of the overdraft' then 'below 0'
           else format('above 0, at most %s', trim_scale(amount)) end as expected,
       case what
           when 'its row in credit_grant' then 'missing'
           when 'its place among the open grants' then 'missing'
           when 'how it ended' then status
           when 'its terms' then concat_ws(' ', grant_type, priority, effective_us, coalesce(expire_us::text, 'never'),
                                           ordinal)
           else trim_scale(remaining)::text end as found
from of_grants
where what is not null
union all
select customer_id, currency_id, resource_id, 'grants made', grants_made::text, grants_count::text
from of_accounts
where grants_made <> grants_count
union all
select customer_id, currency_id, resource_id, 'granted', format('at most %s', trim_scale(amount)),
       trim_scale(granted)::text
from of_accounts
where granted > amount
