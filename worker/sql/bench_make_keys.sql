-- no parameters. The keys that bench_drop_keys.sql dropped, with leaves as full as those that have grown row by row
do $$
declare
    key  record;
begin
    perform set_config('maintenance_work_mem', '512MB', true);
    for key in select * from drawdown.bench_key loop
        execute format('alter table %s add constraint %I %s with (fillfactor = 70)',
                       key.relation, key.name, key.definition);
    end loop;
    drop table drawdown.bench_key;
end
$$;
