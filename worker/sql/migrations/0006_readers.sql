-- What readers get of holds, thresholds, over-limit policies and awaited payments. Null stands for "none";
-- resource_key is resource_id with '' for none, as the indexes know it.

drop function drawdown.get_credit_entitlement(text, text, text, numeric);
drop view drawdown.accounts;
drop view drawdown.grants;

comment on view drawdown.ledger is 'Every movement of every balance, one row per event and grant touched; per account gap-free in seq, balance_after of one is balance_before of the next, and the sum of amount is the balance.';
comment on column drawdown.ledger.idempotency_key is 'Null: the account''s advance in time wrote it (a posting, an expiry), or it ends at once what returned to an ended grant.';
comment on column drawdown.ledger.requested_amount is 'What the event asked for; null where it named no amount.';
comment on column drawdown.ledger.first_seq is 'With last_seq: all entries of the event, or of the step of advance.';
comment on column drawdown.ledger.event_time is 'When it happened: createdAt of the event, else its record''s timestamp; of a step of advance when it was due.';
comment on column drawdown.ledger.recorded_at is 'When it counts: the account''s clock, which is the log''s time and never goes back.';

create view drawdown.accounts as
select a.customer_id, a.currency_id, nullif(a.resource_id, '') as resource_id, a.resource_id as resource_key,
       a.balance, a.held, a.balance - a.held as spendable, a.granted, a.consumed, a.seq, a.clock, a.grants_made,
       a.holds_made, a.open_grants, coalesce(a.overrides ->> 'overLimit', c.over_limit, 'allow') as over_limit,
       coalesce((a.overrides ->> 'overdraftLimit')::numeric, c.overdraft_limit) as overdraft_limit,
       coalesce(a.overrides -> 'thresholds', c.thresholds, '[]') as thresholds, a.overrides, a.alerts,
       a.fresh_topic, a.fresh_partition, a.fresh_offset, a.fresh_event_time
from drawdown.account a
left join drawdown.currency c on c.currency_id = a.currency_id;
comment on view drawdown.accounts is 'One row per customer, currency and resource, as the books stand: what is past its expireAt counts until it is expired, a hold until it is released. For what may be spent now ask get_credit_entitlement.';
comment on column drawdown.accounts.held is 'What open holds keep; spendable is balance - held.';
comment on column drawdown.accounts.consumed is 'All that was consumed, less what was reversed.';
comment on column drawdown.accounts.clock is 'The newest time of the log that the account has seen.';
comment on column drawdown.accounts.over_limit is 'What happens to usage that no grant covers: allow (into the overdraft), cap or reject. The account''s own (configure), else the currency''s, else allow.';
comment on column drawdown.accounts.overdraft_limit is 'How far below 0 an overdraft may go under allow; null: no limit. The account''s own, else the currency''s.';
comment on column drawdown.accounts.thresholds is 'The levels that are watched: [{amount or percent, hysteresis}]. The account''s own, else the currency''s; 0 itself always is.';
comment on column drawdown.accounts.overrides is 'What configure has set of its own: {overLimit, overdraftLimit, thresholds}; null: nothing.';
comment on column drawdown.accounts.alerts is 'How the thresholds stand: {posted (balance right after credit was last posted: what percents are of), thresholds: [{amount or percent, hysteresis, state: new, armed or disarmed}]}, 0 last; null: not decided yet.';
comment on column drawdown.accounts.fresh_offset is 'With fresh_topic and fresh_partition: the newest input that the account includes.';

create view drawdown.holds as
select customer_id, currency_id, nullif(resource_id, '') as resource_id, resource_id as resource_key, reservation_id,
       case when state = 0 and expires_at > now() then 'OPEN' when state = 1 then 'SETTLED'
            when state = 2 then 'RELEASED' else 'RUN_OUT' end as state,
       state = 0 as is_open, amount, parts, ordinal, created_at, expires_at, closed_at
from drawdown.hold;
comment on view drawdown.holds is 'Every reservation, with its state as of now.';
comment on column drawdown.holds.state is 'OPEN, SETTLED, RELEASED or RUN_OUT: its end has come, even where the engine has not released it yet.';
comment on column drawdown.holds.is_open is 'As the books stand: its amount is part of the account''s held. Filter by it: an index knows it.';
comment on column drawdown.holds.amount is 'What it keeps, or kept while it was open.';
comment on column drawdown.holds.parts is 'From which grants, in burn order of when it was made: [{grantId, amount (string)}].';
comment on column drawdown.holds.ordinal is 'The account''s how-manieth hold.';

create view drawdown.grants as
select g.customer_id, g.grant_id, g.currency_id, nullif(g.resource_id, '') as resource_id,
       g.resource_id as resource_key,
       case g.grant_type when 0 then 'PROMOTIONAL' when 1 then 'PAID' when 2 then 'OVERDRAFT' end as grant_type,
       case when g.end_kind = 3 then 'VOIDED'
            when g.end_kind = 2 or g.expire_at <= now() then 'EXPIRED'
            when open.status = 'PAYMENT_PENDING' then 'PAYMENT_PENDING'
            when open.status = 'SCHEDULED' and g.effective_at > now() then 'SCHEDULED'
            else 'ACTIVE' end as status,
       g.amount, coalesce(open.remaining, 0)::numeric(38,12) as remaining,
       coalesce(kept.amount, 0)::numeric(38,12) as held, g.priority, g.effective_at, g.expire_at, g.created_at,
       case g.end_kind when 1 then 'depleted' when 2 then 'expired' when 3 then 'voided' end as end_kind,
       g.ended_at, g.cost_amount, g.cost_currency, g.display_name, g.comment, g.metadata, g.idempotency_key
from drawdown.credit_grant g
left join (
    select a.customer_id, a.currency_id, a.resource_id, o."grantId" as grant_id, o.status, o.remaining
    from drawdown.account a,
         json_to_recordset(a.open_grants) as o("grantId" text, status text, remaining numeric(38,12))) open
  on open.customer_id = g.customer_id and open.currency_id = g.currency_id and open.resource_id = g.resource_id
     and open.grant_id = g.grant_id
left join (
    select h.customer_id, h.currency_id, h.resource_id, part."grantId" as grant_id, sum(part.amount) as amount
    from drawdown.hold h, json_to_recordset(h.parts) as part("grantId" text, amount numeric(38,12))
    where h.state = 0
    group by h.customer_id, h.currency_id, h.resource_id, part."grantId") kept
  on kept.customer_id = g.customer_id and kept.currency_id = g.currency_id and kept.resource_id = g.resource_id
     and kept.grant_id = g.grant_id;
comment on view drawdown.grants is 'Every grant with its status as of now and what is left of it as the books stand. Of one that is expired or voided only what a hold keeps is left.';
comment on column drawdown.grants.grant_type is 'PROMOTIONAL, PAID, or OVERDRAFT: the engine''s own, whose remaining is below zero.';
comment on column drawdown.grants.status is 'PAYMENT_PENDING, SCHEDULED, ACTIVE (also where it is used up and has not expired), EXPIRED (its expireAt has come, even where the engine has not written it yet) or VOIDED.';
comment on column drawdown.grants.remaining is 'What is left, what holds keep of it included; its whole amount while it is pending or scheduled.';
comment on column drawdown.grants.held is 'What open holds keep of it.';
comment on column drawdown.grants.end_kind is 'How it left the account''s open grants: depleted, expired or voided; null while it is open.';

create function drawdown.get_credit_entitlement(
    customer text, currency text, resource text default null, requested numeric default null)
returns table (
    balance numeric, spendable numeric, held numeric, granted numeric, consumed numeric,
    is_granted boolean, reason text, over_limit text, overdraft_limit numeric, next_change_at timestamptz,
    fresh_topic text, fresh_partition integer, fresh_offset bigint, fresh_event_time timestamptz)
language sql stable
as $$
    with account as (
        select a.*
        from drawdown.accounts a
        where a.customer_id = customer and a.currency_id = currency and a.resource_key = coalesce(resource, '')
    ), hold as ( -- those whose end has not come
        select h.amount, h.parts, h.expires_at
        from drawdown.holds h
        where h.customer_id = customer and h.currency_id = currency and h.resource_key = coalesce(resource, '')
          and h.is_open and h.expires_at > now()
    ), held as (
        select coalesce(sum(h.amount), 0) as amount, min(h.expires_at) as next_at from hold h
    ), kept as (
        select part."grantId" as grant_id, sum(part.amount) as amount
        from hold h, json_to_recordset(h.parts) as part("grantId" text, amount numeric)
        group by part."grantId"
    ), open as (
        select o.status, o.remaining, coalesce(k.amount, 0) as kept,
               timestamptz 'epoch' + o."effectiveAt" * interval '1 microsecond' as effective_at,
               timestamptz 'epoch' + o."expireAt" * interval '1 microsecond' as expire_at
        from account a
        cross join json_to_recordset(a.open_grants) as o(
            "grantId" text, status text, remaining numeric, "effectiveAt" bigint, "expireAt" bigint)
        left join kept k on k.grant_id = o."grantId"
    ), due as ( -- what the engine would do to the balance if it came by now
        select coalesce(sum(case
                   when o.status = 'PAYMENT_PENDING' then 0
                   when o.status = 'SCHEDULED' and (o.effective_at > now() or o.expire_at <= now()) then 0
                   when o.status = 'SCHEDULED' then o.remaining
                   when o.status in ('EXPIRED', 'VOIDED') or o.expire_at <= now() then o.kept - o.remaining
                   else 0 end), 0) as amount,
               min(o.effective_at) filter (where o.status = 'SCHEDULED' and o.effective_at > now()) as next_post_at,
               min(o.expire_at) filter (where o.status in ('SCHEDULED', 'ACTIVE') and o.expire_at > now())
                   as next_expire_at
        from open o
    ), state as (
        select a.*, h.amount as held_now, a.balance - h.amount + d.amount as spendable_now,
               least(d.next_post_at, d.next_expire_at, h.next_at) as next_at
        from account a, held h, due d
    ), answer as (
        select s.*, coalesce(s.over_limit, c.over_limit, 'allow') as policy,
               case when s.customer_id is null then c.overdraft_limit else s.overdraft_limit end as policy_limit,
               case
                   when requested < 0 or requested = 'NaN' then 'invalid_amount'
                   when s.customer_id is null then 'unknown_account'
                   when requested is null and s.spendable_now > 0 then null
                   when requested <= s.spendable_now then null
                   else 'insufficient_credits' end as why_not
        from (select) one
        left join state s on true
        left join drawdown.currency c on c.currency_id = currency
    )
    select coalesce(w.balance, 0), coalesce(w.spendable_now, 0), coalesce(w.held_now, 0),
           coalesce(w.granted, 0), coalesce(w.consumed, 0),
           w.why_not is null, w.why_not, w.policy, w.policy_limit, w.next_at,
           w.fresh_topic, w.fresh_partition, w.fresh_offset, w.fresh_event_time
    from answer w
$$;
comment on function drawdown.get_credit_entitlement(text, text, text, numeric) is
'What an account may spend now: always one row. balance is what the books say. spendable is what grants cover: without what is held, what is past its expireAt and what awaits its payment, with scheduled grants whose effectiveAt has come; a hold whose end has come counts as returned. is_granted: requested fits into spendable (without requested: spendable is above 0), whatever the policy; reason where not: insufficient_credits, unknown_account, invalid_amount. over_limit and overdraft_limit (null: none) say what the engine would do with usage that is not covered. next_change_at: until then the answer stays unless an input comes; null: for good. fresh_*: the newest input that the account includes.';

comment on function drawdown.balance_as_of(text, text, text, timestamptz) is
'The balance as the books stood at that time, by recorded_at; 0 before the first entry. What came due but is not written yet is not in it: for a time after the account''s clock the answer may still change.';
