-- The books: accounts, grants, the ledger; settings of currencies; how far each input is recorded.
-- Every key begins with customer_id, texts compare byte by byte (COLLATE "C"), resource_id '' means unscoped.
-- Fixed-width columns come first: no padding between them.

create schema if not exists drawdown;
comment on schema drawdown is 'drawdown: prepaid credits. Read the views ledger, grants, accounts and the functions get_credit_entitlement, balance_as_of; only workers write.';

create table drawdown.schema_version (
    version     integer     primary key,
    name        text        not null,
    applied_at  timestamptz not null default now()
);
comment on table drawdown.schema_version is 'The migrations that were applied, by `drawdown migrate`.';

-- One row: what all replicas must agree on. Written by the first worker, compared by all.
create table drawdown.setting (
    only_row               boolean primary key default true check (only_row),
    receipt_generation_us  bigint  not null check (receipt_generation_us > 0)
);
comment on table drawdown.setting is 'One row: settings that all workers must share.';
comment on column drawdown.setting.receipt_generation_us is 'dedupe.generation in microseconds: generations of receipts begin at its multiples since 1970.';

create table drawdown.currency (
    currency_id      text           collate "C" primary key check (currency_id <> ''),
    display_name     text           collate "C",
    units            text           collate "C",
    expiry_grace     interval       not null default interval '0',
    over_limit       text           collate "C" not null default 'allow' check (over_limit in ('allow', 'cap', 'reject')),
    overdraft_limit  numeric(38,12) check (overdraft_limit >= 0 and overdraft_limit <> 'NaN'),
    thresholds       json,
    updated_at       timestamptz    not null default now(),
    constraint expiry_grace_has_no_months check
        (expiry_grace >= interval '0' and expiry_grace <= interval '3660 days' and extract(year from expiry_grace) = 0 and extract(month from expiry_grace) = 0)
);
comment on table drawdown.currency is 'Settings of the currencies that have any; the others go by the defaults. Lanes read it, never write it.';
comment on column drawdown.currency.expiry_grace is 'How long after its expireAt a grant still pays usage from before it.';

create table drawdown.account (
    seq              bigint         not null default 0,
    grants_made      bigint         not null default 0,
    clock            timestamptz,
    fresh_offset     bigint,
    fresh_event_time timestamptz,
    fresh_partition  integer,
    customer_id      text           collate "C" not null,
    currency_id      text           collate "C" not null,
    resource_id      text           collate "C" not null default '',
    balance          numeric(38,12) not null default 0,
    held             numeric(38,12) not null default 0,
    granted          numeric(38,12) not null default 0,
    consumed         numeric(38,12) not null default 0,
    fresh_topic      text           collate "C",
    open_grants      json           not null default '[]',
    primary key (customer_id, currency_id, resource_id),
    constraint key_is_named check (customer_id <> '' and currency_id <> ''),
    constraint counts_are_positive check (seq >= 0 and grants_made >= 0),
    constraint sums_are_positive check (held >= 0 and granted >= 0 and consumed >= 0),
    constraint balance_has_entries check (seq > 0 or balance = 0),
    constraint balance_is_a_number check (balance <> 'NaN'),
    constraint freshness_is_whole check
        (num_nulls(fresh_topic, fresh_partition, fresh_offset, fresh_event_time) in (0, 4))
) with (fillfactor = 60);
comment on table drawdown.account is 'One row per customer, currency and resource: the sums and the open grants. Changed only under its lock. No index but the key: updates stay HOT.';
comment on column drawdown.account.seq is 'Sequence number of the newest ledger entry; 0: none.';
comment on column drawdown.account.clock is 'The newest `now` that the account has seen; never goes back.';
comment on column drawdown.account.open_grants is 'The grants that are not used up, expired or voided, in burn order: an array of {grantId, grantType, status, remaining (string), priority, effectiveAt, expireAt, createdAt (microseconds since 1970), ordinal}.';
comment on column drawdown.account.fresh_offset is 'With fresh_topic and fresh_partition: the newest input that the account includes.';

create table drawdown.credit_grant (
    created_at       timestamptz    not null,
    ordinal          bigint         not null,
    effective_at     timestamptz    not null,
    expire_at        timestamptz,
    ended_at         timestamptz,
    priority         integer        not null,
    grant_type       smallint       not null,
    end_kind         smallint       not null default 0,
    customer_id      text           collate "C" not null,
    grant_id         text           collate "C" not null,
    currency_id      text           collate "C" not null,
    resource_id      text           collate "C" not null default '',
    amount           numeric(38,12) not null,
    idempotency_key  text           collate "C",
    cost_amount      numeric(38,12),
    cost_currency    text           collate "C",
    display_name     text           collate "C",
    comment          text           collate "C",
    metadata         json,
    primary key (customer_id, grant_id),
    constraint key_is_named check (customer_id <> '' and grant_id <> ''),
    constraint grant_type_is_known check (grant_type between 0 and 2),
    constraint overdraft_is_named check ((grant_type = 2) = starts_with(grant_id, 'overdraft:')),
    constraint amount_fits_type check (case grant_type when 2 then amount = 0 else amount > 0 and amount <> 'NaN' end),
    constraint end_is_whole check (end_kind between 0 and 3 and (end_kind = 0) = (ended_at is null)),
    constraint cost_is_whole check ((cost_amount is null) = (cost_currency is null))
) with (fillfactor = 90);
comment on table drawdown.credit_grant is 'What never changes of a grant, and how it ended. What is left of it stands in its account.';
comment on column drawdown.credit_grant.grant_type is '0 PROMOTIONAL, 1 PAID, 2 OVERDRAFT.';
comment on column drawdown.credit_grant.end_kind is '0 open, 1 depleted, 2 expired, 3 voided.';

create table drawdown.ledger_entry (
    seq               bigint         not null,
    first_seq         bigint         not null,
    last_seq          bigint         not null,
    event_time        timestamptz    not null,
    recorded_at       timestamptz    not null,
    source_offset     bigint         not null,
    source_timestamp  timestamptz    not null,
    source_partition  integer        not null,
    event_type        smallint       not null,
    outcome           smallint       not null,
    customer_id       text           collate "C" not null,
    currency_id       text           collate "C" not null,
    resource_id       text           collate "C" not null default '',
    amount            numeric(38,12) not null,
    grant_remaining   numeric(38,12) not null,
    balance_before    numeric(38,12) not null,
    balance_after     numeric(38,12) not null,
    requested_amount  numeric(38,12),
    grant_id          text           collate "C" not null,
    idempotency_key   text           collate "C",
    source_topic      text           collate "C" not null,
    dimensions        json,
    traceparent       text           collate "C",
    primary key (customer_id, currency_id, resource_id, seq),
    constraint seq_is_in_its_event check (first_seq >= 1 and seq between first_seq and last_seq),
    constraint event_type_is_known check (event_type between 1 and 8),
    constraint outcome_made_entries check (outcome in (1, 2)),
    constraint amount_moves_balance check (amount <> 0 and balance_before + amount = balance_after),
    constraint amount_has_its_sign check
        (case when event_type in (1, 8) then amount > 0 when event_type in (2, 3, 4) then amount < 0 else true end),
    constraint balance_is_a_number check (balance_after <> 'NaN'),
    constraint only_overdrafts_go_below_zero check (grant_remaining >= 0 or starts_with(grant_id, 'overdraft:'))
);
comment on table drawdown.ledger_entry is 'One immutable row per event and grant touched. Append-only: workers can neither update nor delete it.';
comment on column drawdown.ledger_entry.event_type is '1 CREDITS_GRANTED, 2 CREDITS_CONSUMED, 3 CREDITS_EXPIRED, 4 CREDITS_VOIDED, 5 CREDITS_UPDATED, 6 CREDITS_CONSUMPTION_TRANSFER_SOURCE, 7 CREDITS_CONSUMPTION_TRANSFER_TARGET, 8 CREDITS_REVERSED.';
comment on column drawdown.ledger_entry.outcome is '1 applied, 2 partial.';
comment on column drawdown.ledger_entry.idempotency_key is 'Null: written by the account''s advance in time, not by the event itself.';

create table drawdown.hold (
    created_at      timestamptz    not null,
    expires_at      timestamptz    not null,
    closed_at       timestamptz,
    state           smallint       not null default 0,
    customer_id     text           collate "C" not null,
    currency_id     text           collate "C" not null,
    resource_id     text           collate "C" not null default '',
    reservation_id  text           collate "C" not null,
    amount          numeric(38,12) not null,
    parts           json           not null,
    primary key (customer_id, currency_id, resource_id, reservation_id),
    constraint amount_is_positive check (amount > 0 and amount <> 'NaN'),
    constraint state_is_whole check (state between 0 and 3 and (state = 0) = (closed_at is null))
);
comment on table drawdown.hold is 'Reservations: credits kept for a later settlement, and from which grants.';
comment on column drawdown.hold.state is '0 open, 1 settled, 2 released, 3 run out.';

create table drawdown.due (
    due_at       timestamptz not null,
    customer_id  text        collate "C" not null,
    currency_id  text        collate "C" not null,
    resource_id  text        collate "C" not null default '',
    primary key (customer_id, currency_id, resource_id)
);
create index due_by_time on drawdown.due (due_at);
comment on table drawdown.due is 'When an idle account has something to do next: the posting or expiry of a grant, the end of a hold.';

create table drawdown.parked (
    source_offset     bigint      not null,
    source_timestamp  timestamptz not null,
    parked_at         timestamptz not null,
    source_partition  integer     not null,
    customer_id       text        collate "C" not null,
    source_topic      text        collate "C" not null,
    reason            text        collate "C" not null,
    key               bytea,
    value             bytea,
    headers           json,
    primary key (customer_id, source_topic, source_partition, source_offset)
);
comment on table drawdown.parked is 'Records of customers that were set aside, in order, until they are released.';

create table drawdown.input_position (
    recorded   bigint  not null check (recorded >= 0),
    epoch      bigint  not null check (epoch >= 0),
    partition  integer not null,
    lane       integer not null check (lane >= 0),
    topic      text    collate "C" not null,
    primary key (topic, partition, lane)
) with (fillfactor = 20);
comment on table drawdown.input_position is 'How far each lane has recorded each input partition, and whose turn it is.';
comment on column drawdown.input_position.recorded is 'Offset behind the last record that the lane has committed.';
comment on column drawdown.input_position.epoch is 'Raised by each owner of the partition: an older one is fenced.';
