-- no parameters. The ledger of the floor: the same columns, nothing else
do $$
declare
    name  text;
begin
    for name in select conname from pg_constraint where conrelid = 'drawdown.ledger_entry'::regclass loop
        execute format('alter table drawdown.ledger_entry drop constraint %I', name);
    end loop;
    for name in select indexrelid::regclass::text from pg_index where indrelid = 'drawdown.ledger_entry'::regclass loop
        execute format('drop index %s', name);
    end loop;
end
$$
