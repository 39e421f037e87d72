-- What readers get: views and functions. Null stands for "none" here; resource_key is resource_id with '' for none,
-- as the indexes know it: filter and join by it where there is much to read.

create view drawdown.ledger as
select customer_id || '/' || currency_id || '/' || resource_id || '/' || seq as entry_id,
       customer_id, currency_id, nullif(resource_id, '') as resource_id, resource_id as resource_key, seq,
       case event_type
           when 1 then 'CREDITS_GRANTED' when 2 then 'CREDITS_CONSUMED' when 3 then 'CREDITS_EXPIRED'
           when 4 then 'CREDITS_VOIDED' when 5 then 'CREDITS_UPDATED'
           when 6 then 'CREDITS_CONSUMPTION_TRANSFER_SOURCE' when 7 then 'CREDITS_CONSUMPTION_TRANSFER_TARGET'
           when 8 then 'CREDITS_REVERSED' end as event_type,
       amount, grant_id, grant_remaining, balance_before, balance_after, idempotency_key, requested_amount,
       first_seq, last_seq, case outcome when 1 then 'applied' when 2 then 'partial' end as outcome,
       event_time, recorded_at, dimensions, source_topic, source_partition, source_offset, source_timestamp,
       traceparent
from drawdown.ledger_entry;
comment on view drawdown.ledger is 'Every movement of every balance, one row per event and grant touched; per account gap-free in seq, balance_after of one is balance_before of the next.';

create view drawdown.accounts as
select customer_id, currency_id, nullif(resource_id, '') as resource_id, resource_id as resource_key,
       balance, held, balance - held as spendable, granted, consumed, seq, clock, grants_made, open_grants,
       fresh_topic, fresh_partition, fresh_offset, fresh_event_time
from drawdown.account;
comment on view drawdown.accounts is 'One row per customer, currency and resource, as the books stand: what is past its expireAt counts until it is expired. For what may be spent now ask get_credit_entitlement.';

create view drawdown.grants as
select g.customer_id, g.grant_id, g.currency_id, nullif(g.resource_id, '') as resource_id,
       g.resource_id as resource_key,
       case g.grant_type when 0 then 'PROMOTIONAL' when 1 then 'PAID' when 2 then 'OVERDRAFT' end as grant_type,
       case when g.end_kind = 3 then 'VOIDED'
            when g.end_kind = 2 or g.expire_at <= now() then 'EXPIRED'
            when o.status = 'SCHEDULED' and g.effective_at > now() then 'SCHEDULED'
            else 'ACTIVE' end as status,
       g.amount, coalesce(o.remaining, 0) as remaining, g.priority, g.effective_at, g.expire_at, g.created_at,
       case g.end_kind when 1 then 'depleted' when 2 then 'expired' when 3 then 'voided' end as end_kind,
       g.ended_at, g.cost_amount, g.cost_currency, g.display_name, g.comment, g.metadata, g.idempotency_key
from drawdown.credit_grant g
left join lateral (
    select open.status, open.remaining
    from drawdown.account a,
         json_to_recordset(a.open_grants) as open("grantId" text, status text, remaining numeric(38,12))
    where g.end_kind = 0
      and a.customer_id = g.customer_id and a.currency_id = g.currency_id and a.resource_id = g.resource_id
      and open."grantId" = g.grant_id) o on true;
comment on view drawdown.grants is 'Every grant with what is left of it and its status as of now; one that is used up stays ACTIVE until it expires.';
comment on column drawdown.grants.end_kind is 'How it left the account''s open grants: depleted, expired or voided; null while it is open.';

create function drawdown.get_credit_entitlement(
    customer text, currency text, resource text default null, requested numeric default null)
returns table (
    balance numeric, spendable numeric, held numeric, granted numeric, consumed numeric,
    is_granted boolean, reason text,
    fresh_topic text, fresh_partition integer, fresh_offset bigint, fresh_event_time timestamptz)
language sql stable
as $$
    with state as (
        select a.*, a.balance - a.held
               + coalesce((
                     select sum(case
                         when open.status = 'SCHEDULED' and open."effectiveAt" <= moment.us
                              and (open."expireAt" is null or open."expireAt" > moment.us) then open.remaining
                         when open.status <> 'SCHEDULED' and open."expireAt" <= moment.us then -open.remaining
                         else 0 end)
                     from json_to_recordset(a.open_grants) as open(
                         status text, remaining numeric, "effectiveAt" bigint, "expireAt" bigint)), 0) as spendable_now
        from drawdown.accounts a,
             (select (extract(epoch from now()) * 1000000)::bigint as us) moment
        where a.customer_id = customer and a.currency_id = currency and a.resource_key = coalesce(resource, '')
    ), answer as (
        select s.*, case
                   when requested < 0 then 'invalid_amount'
                   when s.customer_id is null then 'unknown_account'
                   when requested is null and s.spendable_now > 0 then null
                   when requested <= s.spendable_now then null
                   else 'insufficient_credits' end as why_not
        from (select) one left join state s on true
    )
    select coalesce(w.balance, 0), coalesce(w.spendable_now, 0), coalesce(w.held, 0),
           coalesce(w.granted, 0), coalesce(w.consumed, 0),
           w.why_not is null, w.why_not,
           w.fresh_topic, w.fresh_partition, w.fresh_offset, w.fresh_event_time
    from answer w
$$;
comment on function drawdown.get_credit_entitlement(text, text, text, numeric) is
'What an account may spend now: always one row. balance is what the books say; spendable leaves out what is held and what is past its expireAt, and counts a scheduled grant whose effectiveAt has come. is_granted: requested fits into spendable (without requested: spendable is above 0); reason where not: insufficient_credits, unknown_account, invalid_amount. fresh_*: the newest input that the account includes.';

-- Entries are gap-free in seq and recorded_at never goes back: the entry is found by halving.
create function drawdown.balance_as_of(customer text, currency text, resource text, moment timestamptz)
returns numeric
language plpgsql stable
as $$
declare
    low       bigint := 0; -- recorded by then, or 0
    high      bigint;      -- recorded later, or one past the newest
    middle    bigint;
    middle_at timestamptz;
begin
    select a.seq + 1 into high
    from drawdown.accounts a
    where a.customer_id = customer and a.currency_id = currency and a.resource_key = coalesce(resource, '');
    if not found then
        return 0;
    end if;
    while high - low > 1 loop
        middle := low + (high - low) / 2;
        select l.recorded_at into strict middle_at
        from drawdown.ledger l
        where l.customer_id = customer and l.currency_id = currency and l.resource_key = coalesce(resource, '')
          and l.seq = middle;
        if middle_at <= moment then
            low := middle;
        else
            high := middle;
        end if;
    end loop;
    return coalesce((
        select l.balance_after
        from drawdown.ledger l
        where l.customer_id = customer and l.currency_id = currency and l.resource_key = coalesce(resource, '')
          and l.seq = low), 0);
end
$$;
comment on function drawdown.balance_as_of(text, text, text, timestamptz) is
'The balance as the books stood at that time, by recorded_at; 0 before the first entry.';
