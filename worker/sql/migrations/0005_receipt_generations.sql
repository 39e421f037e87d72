-- The end of a generation of receipts: how far the log's time has come, and the drop.

comment on column drawdown.input_position.log_time is 'In lane 0''s row: of the partition all records up to this record timestamp are handled and published, in every lane. Where it was read to its end, it counts as far as the newest of all partitions.';

-- In slices of the whole key: a million grants may end at one instant.
drop index drawdown.due_by_time;
create index due_by_time on drawdown.due (due_at, customer_id, currency_id, resource_id);

create function drawdown.list_receipt_generations() returns table (name text, ends_at timestamptz)
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
    select c.relname::text, g.ends_at
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral (
        select (regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$ TO \('([^']+)'\)$re$))[1]::timestamptz) g(ends_at)
    where i.inhparent = 'drawdown.receipt'::regclass
      and g.ends_at is not null -- one that is dropped at this moment
$$;
-- The newest two never go. Those that lie ahead (a producer's clock was wrong, where its timestamps are taken) are not
-- among them: the newest two are of records that were written by now.
create function drawdown.list_old_receipt_generations() returns table (name text, ends_at timestamptz)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select g.name, g.ends_at
    from drawdown.list_receipt_generations() g
    where g.ends_at <= now() + (select s.receipt_generation_us from drawdown.setting s) * interval '1 microsecond'
    order by g.ends_at desc
    offset 2
$$;
comment on function drawdown.list_old_receipt_generations() is 'All generations of receipts but the newest two.';

comment on function drawdown.list_receipt_generations() is 'The generations of receipts that there are: each table, and the record timestamp at which it ends.';

-- The first of two steps. Which receipts are of no use any more: those of generations that ended more than a window
-- (and a margin) before the least log time of all input partitions; one that was never read keeps all.
create function drawdown.move_receipts_from(topics text[], partitions_count integer, dedupe_window interval)
returns table (moved_to timestamptz, may_drop boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    -- createdAt may lie 5 minutes behind the record's timestamp, and brokers' clocks differ
    margin  constant interval := interval '1 hour';
    passed  timestamptz;
    target  timestamptz;
begin
    select case when count(p.log_time) = count(*) then min(p.log_time) end into passed
    from unnest(topics) as t(topic)
    cross join generate_series(0, partitions_count - 1) as n(partition)
    left join drawdown.input_position p on p.topic = t.topic and p.partition = n.partition and p.lane = 0;

    select max(g.ends_at) into target
    from drawdown.list_old_receipt_generations() g
    where g.ends_at + dedupe_window + margin <= passed;

    update drawdown.setting s set receipts_from = target
    where s.receipts_from is null and target is not null or s.receipts_from < target;
    return query
        select s.receipts_from,
               exists (select from drawdown.list_old_receipt_generations() g where g.ends_at <= s.receipts_from)
        from drawdown.setting s;
end
$$;
comment on function drawdown.move_receipts_from(text[], integer, interval) is 'Moves setting.receipts_from on where every partition of the topics is past it; where it stands, and whether generations that end before it are to be dropped.';

-- The second step, in a later transaction: drops what ends by `ended_by`, which receipts_from had come to before
-- `horizon` was read as pg_snapshot_xmax(pg_current_snapshot()). Lanes read receipts_from before they look receipts up:
-- whoever may have read an older one must have ended, or it would take a receipt that is gone for one that never was.
-- A lane writes before it reads, so it has a number of its own; all below the horizon have ended once the snapshot's
-- xmin has come to it. DROP needs ACCESS EXCLUSIVE on the
-- partitioned table, for which lanes queue up: so it waits no longer than lock_wait for it, to be tried again.
-- (DETACH CONCURRENTLY waits without blocking, but only outside of a transaction and for the table's owner.)
create function drawdown.drop_receipt_generations(ended_by timestamptz, horizon bigint, lock_wait interval)
returns setof text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    name  text;
begin
    if pg_snapshot_xmin(pg_current_snapshot())::text::bigint < horizon then
        return;
    end if;
    perform set_config('lock_timeout', (extract(epoch from lock_wait) * 1000)::integer::text, true);
    lock table only drawdown.receipt in access exclusive mode;
    for name in
        select g.name
        from drawdown.list_old_receipt_generations() g
        where g.ends_at <= ended_by and g.ends_at <= (select s.receipts_from from drawdown.setting s)
        order by g.ends_at
    loop
        execute format('drop table drawdown.%I', name);
        return next name;
    end loop;
end
$$;
comment on function drawdown.drop_receipt_generations(timestamptz, bigint, interval) is 'Drops the generations that end by a time that setting.receipts_from had come to before the horizon was read, never the newest two, once no transaction older than the horizon runs; their names.';

revoke all on function drawdown.list_receipt_generations(), drawdown.list_old_receipt_generations(),
    drawdown.move_receipts_from(text[], integer, interval), 
    drawdown.drop_receipt_generations(timestamptz, bigint, interval)
from public;
