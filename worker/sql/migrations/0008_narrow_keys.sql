-- The key of a receipt is its hash alone, which is of the customer too: half as long in the index, compared in one step.

-- Workers may call it without owning the table. It takes no lock that reading or writing receipts waits for:
-- the new table is attached (SHARE UPDATE EXCLUSIVE), not created as a partition (ACCESS EXCLUSIVE).
create or replace function drawdown.make_receipt_generation(moment timestamptz) returns boolean
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
    execute format('alter table drawdown.%I add primary key (key_hash)', name);
    -- receipts without entries of their own that were the occasion of some by the advance in time: few
    execute format('create index on drawdown.%I (customer_id) where range_first is not null and first_seq is null', name);
    -- what retention took before it was published is looked for by its source; next to nothing to keep up
    execute format('create index on drawdown.%I using brin (source_offset)', name);
    execute format('alter table drawdown.receipt attach partition drawdown.%I for values from (%L) to (%L)',
                   name, begin_time at time zone 'UTC', end_time at time zone 'UTC');
    -- it spared the reading of the table; from now on the partition's bounds say the same
    execute format('alter table drawdown.%I drop constraint generation', name);
    return true;
end
$$;

-- Those that there are.
do $$
declare
    name text;
begin
    for name in select g.name from drawdown.list_receipt_generations() g loop
        execute format('alter table drawdown.%I drop constraint %I', name, name || '_pkey');
        execute format('alter table drawdown.%I add primary key (key_hash)', name);
        execute format('create index on drawdown.%I (customer_id) where range_first is not null and first_seq is null', name);
        execute format('alter table drawdown.%I drop constraint generation', name);
    end loop;
end
$$;
