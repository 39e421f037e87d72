-- Bytes a row of the tables that grow, as JSON: what they take on disk with their indexes, now, in the database that
-- psql is connected to. Variables that tests/bench/sizes.sh sets are added: measured (pairs, ", \"name\": number").
\if :{?measured} \else \set measured '' \endif
with rows as (
    select 'receipt' as name, count(*) as count from drawdown.receipt
    union all select 'ledger_entry', count(*) from drawdown.ledger_entry
    union all select 'account', count(*) from drawdown.account
    union all select 'grant', count(*) from drawdown.credit_grant
), tree as (
    select r.name, r.count,
           ('drawdown.' || case r.name when 'grant' then 'credit_grant' else r.name end)::regclass as root
    from rows r
    where r.count > 0
), leaf as (
    select t.name, t.count, coalesce(p.relid, t.root) as relid -- a table without partitions has no tree
    from tree t
    left join lateral pg_partition_tree(t.root) p on p.isleaf
), size as (
    select name, max(count) as count, sum(pg_table_size(relid)) as heap, sum(pg_indexes_size(relid)) as index
    from leaf
    group by name
)
select '{' || string_agg(format('"rows_of_%s": %s, "bytes_per_%s": %s, "bytes_per_%s_index": %s',
                                name, count, name, round(heap / count, 1), name, round(index / count, 1)), ', '
                         order by name)
       || :'measured' || '}'
from size;
