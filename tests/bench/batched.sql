-- Tables and the one call of batched.py.

create table account (
    customer_id text collate "C" primary key,
    balance numeric(38, 12) not null,
    seq bigint not null
) with (fillfactor = 70);

-- The primary key is what tells duplicates; input_partition and input_offset say which record made the entry.
create table ledger (
    customer_id text collate "C" not null,
    idempotency_key text collate "C" not null,
    seq bigint not null,
    amount numeric(38, 12) not null,
    balance_after numeric(38, 12) not null,
    input_partition integer not null,
    input_offset bigint not null,
    recorded_at timestamptz not null default now(),
    primary key (customer_id, idempotency_key)
);

-- Debits a batch; amounts are in units of 10^-12. Returns the entries that must be in the topic once the batch's offsets
-- are committed, with the number of their record in the batch: those of new events, and those that this very record
-- has made before: had they been published, it would not have been read again. What has an entry of another record is a
-- duplicate and returns nothing. A customer without an account is an error (seq would be null).
create function debit(customers text[], keys text[], amounts numeric[], partitions integer[], offsets bigint[])
returns table (number bigint, seq bigint, balance_after numeric)
language plpgsql
-- the batch is small beside the tables, whatever their statistics say
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set work_mem = '32MB'
as $$
#variable_conflict use_column
begin
    perform
    from account
    join (select distinct unnest(customers) collate "C" as customer_id) as c using (customer_id)
    order by customer_id
    for update of account;

    -- a new statement: it sees what whoever held the locks before has written
    return query
    with event as (
        -- leaves them sorted, so that the index is searched in its order
        select *, row_number() over (partition by customer_id, idempotency_key order by number) as occurrence
        from (
            select customer_id collate "C", idempotency_key collate "C", amount * 1e-12 as amount, partition, "offset", number
            from unnest(customers, keys, amounts, partitions, offsets) with ordinality
                as u (customer_id, idempotency_key, amount, partition, "offset", number)
        ) as u
    ), known as (
        select e.*, l.seq, l.balance_after, l.input_partition, l.input_offset
        from event as e
        left join ledger as l using (customer_id, idempotency_key)
    ), fresh as (
        select
            customer_id, idempotency_key, amount, partition, "offset", number,
            row_number() over w as nth, sum(amount) over w as spent
        from known
        where seq is null and occurrence = 1
        window w as (partition by customer_id order by number)
    ), entry as (
        select f.*, a.seq + f.nth as seq, a.balance - f.spent as balance_after
        from fresh as f
        left join account as a using (customer_id)
    ), written as (
        insert into ledger (customer_id, idempotency_key, seq, amount, balance_after, input_partition, input_offset)
        select customer_id, idempotency_key, seq, -amount, balance_after, partition, "offset"
        from entry
    ), debited as (
        update account as a
        set balance = a.balance - t.spent, seq = a.seq + t.count
        from (select customer_id, sum(amount) as spent, count(*) as count from entry group by customer_id) as t
        where a.customer_id = t.customer_id
    )
    select number, seq, balance_after from entry
    union all
    select number, seq, balance_after from known where input_partition = partition and input_offset = "offset"
    order by seq;
end
$$;
