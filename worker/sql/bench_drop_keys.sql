-- no parameters. The keys of ledger and receipts go, their definitions stay: rows come in faster without
do $$
declare
    key  record;
begin
    create table drawdown.bench_key as
    select conrelid::regclass::text as relation, conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint
    where contype = 'p'
      and (conrelid = 'drawdown.ledger_entry'::regclass
           or conrelid in (select inhrelid from pg_inherits where inhparent = 'drawdown.receipt'::regclass));
    for key in select * from drawdown.bench_key loop
        execute format('alter table %s drop constraint %I', key.relation, key.name);
    end loop;
end
$$;
