-- Receipts: proof that an idempotency key was handled, in generations by the record's timestamp, which are
-- dropped whole. Within a generation a key is unique.

create table drawdown.receipt (
    source_timestamp  timestamptz    not null,
    source_offset     bigint         not null,
    range_first       bigint,
    range_last        bigint,
    first_seq         bigint,
    last_seq          bigint,
    source_partition  integer        not null,
    event_class       smallint       not null,
    kind              smallint       not null,
    outcome           smallint       not null,
    key_hash          uuid           not null,
    fingerprint       uuid           not null,
    customer_id       text           collate "C" not null,
    currency_id       text           collate "C" not null,
    resource_id       text           collate "C" not null default '',
    requested_amount  numeric(38,12) not null,
    applied_amount    numeric(38,12) not null,
    balance           numeric(38,12) not null,
    idempotency_key   text           collate "C" not null,
    source_topic      text           collate "C" not null,
    code              text           collate "C",
    constraint key_is_named check (customer_id <> '' and currency_id <> '' and idempotency_key <> ''),
    constraint event_class_is_known check (event_class in (0, 1)),
    constraint outcome_is_known check (outcome in (1, 2, 5) and (outcome = 5) = (code is not null)),
    constraint range_is_whole check
        ((range_first is null) = (range_last is null) and range_first >= 1 and range_first <= range_last),
    constraint own_entries_are_in_range check
        ((first_seq is null) = (last_seq is null) and first_seq <= last_seq
         and (first_seq is null or range_first is not null) and first_seq >= range_first and last_seq <= range_last)
) partition by range (source_timestamp);
comment on table drawdown.receipt is 'The durable record that an idempotency key was handled. A key counts for the length of the dedupe window.';
comment on column drawdown.receipt.key_hash is '128 bits of BLAKE2b over customer, class and key: what is unique. The text stands beside it.';
comment on column drawdown.receipt.fingerprint is 'Of the content that decides whether the same key means the same.';
comment on column drawdown.receipt.event_class is '0 usage, 1 command: each class has keys of its own.';
comment on column drawdown.receipt.outcome is '1 applied, 2 partial, 5 rejected (then code says why).';
comment on column drawdown.receipt.range_first is 'With range_last: every entry written while the record was handled, those of the account''s advance included.';

-- Workers may call it without owning the table. It takes no lock that reading or writing receipts waits for:
-- the new table is attached (SHARE UPDATE EXCLUSIVE), not created as a partition (ACCESS EXCLUSIVE).
create function drawdown.make_receipt_generation(moment timestamptz) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
    day_us      constant bigint := 86400000000;
    epoch       constant timestamp := timestamp '1970-01-01';
    length_us   bigint;
    begin_us    bigint;
    begin_time  timestamp;
    end_time    timestamp;
    name        text;
begin
    select receipt_generation_us into strict length_us from drawdown.setting;
    begin_us := floor(extract(epoch from moment) * 1000000 / length_us)::bigint * length_us;
    begin_time := epoch + make_interval(days => (begin_us / day_us)::integer)
                  + begin_us % day_us * interval '1 microsecond';
    end_time := epoch + make_interval(days => ((begin_us + length_us) / day_us)::integer)
                + (begin_us + length_us) % day_us * interval '1 microsecond';
    name := 'receipt_' || to_char(begin_time, case
        when begin_us % day_us = 0 then 'YYYYMMDD'
        when begin_us % 1000000 = 0 then 'YYYYMMDD_HH24MISS'
        else 'YYYYMMDD_HH24MISS_US' end);
    if to_regclass('drawdown.' || quote_ident(name)) is not null then
        return false;
    end if;
    lock table drawdown.receipt in share update exclusive mode; -- one at a time
    if to_regclass('drawdown.' || quote_ident(name)) is not null then
        return false;
    end if;
    execute format('create table drawdown.%I (like drawdown.receipt including defaults including constraints)', name);
    execute format('alter table drawdown.%I add constraint generation check (source_timestamp >= %L and source_timestamp < %L)',
                   name, begin_time at time zone 'UTC', end_time at time zone 'UTC');
    execute format('alter table drawdown.%I add primary key (customer_id, key_hash)', name);
    -- what retention took before it was published is looked for by its source; next to nothing to keep up
    execute format('create index on drawdown.%I using brin (source_offset)', name);
    execute format('alter table drawdown.receipt attach partition drawdown.%I for values from (%L) to (%L)',
                   name, begin_time at time zone 'UTC', end_time at time zone 'UTC');
    return true;
end
$$;
comment on function drawdown.make_receipt_generation(timestamptz) is 'Makes the generation of receipts that a record''s timestamp falls into; false where it is there already. Safe when several run at once.';
revoke all on function drawdown.make_receipt_generation(timestamptz) from public;
