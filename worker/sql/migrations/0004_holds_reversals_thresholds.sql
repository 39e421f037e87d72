-- What holds, reversals, thresholds and notifications need besides.

alter table drawdown.account
    add column holds_made  bigint not null default 0 check (holds_made >= 0),
    add column overrides   json,
    add column alerts      json;
comment on column drawdown.account.held is 'What open holds keep: the sum of their amounts. balance - held is spendable.';
comment on column drawdown.account.consumed is 'All that was consumed, less what was reversed.';
comment on column drawdown.account.open_grants is 'The grants that are not used up, expired or voided, and those of which a hold keeps a part, in burn order: an array of {grantId, grantType, status (SCHEDULED, ACTIVE, PAYMENT_PENDING, EXPIRED, VOIDED), remaining (string), priority, effectiveAt, expireAt, createdAt (microseconds since 1970), ordinal}.';
comment on column drawdown.account.overrides is 'Settings of the account that override the currency''s: {overLimit, overdraftLimit (string), thresholds}; null: none.';
comment on column drawdown.account.alerts is 'How the thresholds stand: {posted (balance right after credit was last posted), thresholds: [{amount or percent, hysteresis, state}]}, 0 itself last; null: not decided yet.';

alter table drawdown.hold
    add column ordinal bigint not null default 0;
comment on column drawdown.hold.parts is 'From which grants, in burn order of when it was made: [{grantId, amount (string)}].';
comment on column drawdown.hold.ordinal is 'The account''s how-manieth hold.';
create index hold_open on drawdown.hold (customer_id, currency_id, resource_id) where state = 0;

alter table drawdown.receipt
    add column notifications json;
comment on column drawdown.receipt.notifications is 'What was told in credits.notifications because of it; null: nothing.';

create table drawdown.transfer (
    seq           bigint         not null,
    customer_id   text           collate "C" not null,
    currency_id   text           collate "C" not null,
    resource_id   text           collate "C" not null default '',
    overdraft_id  text           collate "C" not null,
    grant_id      text           collate "C" not null,
    amount        numeric(38,12) not null,
    returned      numeric(38,12) not null default 0,
    primary key (customer_id, currency_id, resource_id, overdraft_id, seq),
    constraint amount_is_positive check (amount > 0 and amount <> 'NaN'),
    constraint returned_is_part_of_it check (returned >= 0 and returned <= amount)
);
comment on table drawdown.transfer is 'Which grants paid which overdraft: what a reversal may return to them. seq: the entry CREDITS_CONSUMPTION_TRANSFER_TARGET.';

create table drawdown.reversal (
    first_seq     bigint         not null,
    customer_id   text           collate "C" not null,
    currency_id   text           collate "C" not null,
    resource_id   text           collate "C" not null default '',
    reversed      numeric(38,12) not null,
    primary key (customer_id, currency_id, resource_id, first_seq),
    constraint reversed_is_positive check (reversed > 0 and reversed <> 'NaN')
);
comment on table drawdown.reversal is 'How much was reversed of the consumption whose entries begin at first_seq.';

alter table drawdown.setting
    add column receipts_from timestamptz;
comment on column drawdown.setting.receipts_from is 'Receipts of records before this time were dropped: such a record can no longer be proved unseen. Null: none were.';

alter table drawdown.input_position
    add column log_time timestamptz;
comment on column drawdown.input_position.log_time is 'The newest record timestamp that the lane has handled of the partition, or the time at which it was read to its end.';

-- Accounts that were made before due times were kept.
insert into drawdown.due (customer_id, currency_id, resource_id, due_at)
select d.customer_id, d.currency_id, d.resource_id,
       (timestamp '1970-01-01' + make_interval(days => (d.us / 86400000000)::integer)
        + d.us % 86400000000 * interval '1 microsecond') at time zone 'UTC'
from (
    select a.customer_id, a.currency_id, a.resource_id,
           least(min(case when g.status = 'SCHEDULED' then g."effectiveAt"
                          else g."expireAt" + coalesce((extract(epoch from c.expiry_grace) * 1000000)::bigint, 0) end),
                 253402300799999999) as us
    from drawdown.account a
    cross join lateral json_to_recordset(a.open_grants)
        as g(status text, "effectiveAt" bigint, "expireAt" bigint)
    left join drawdown.currency c on c.currency_id = a.currency_id
    group by a.customer_id, a.currency_id, a.resource_id) d
where d.us is not null;
