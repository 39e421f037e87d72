-- no parameters. About how many entries and receipts there are: what the last VACUUM or ANALYZE has seen.
select coalesce((select greatest(c.reltuples, 0)::bigint
                 from pg_class c where c.oid = 'drawdown.ledger_entry'::regclass), 0) as entries,
       coalesce((select sum(greatest(c.reltuples, 0))::bigint
                 from pg_inherits i join pg_class c on c.oid = i.inhrelid
                 where i.inhparent = 'drawdown.receipt'::regclass), 0) as receipts
