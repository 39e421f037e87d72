-- no parameters. Who may do what; run by every `drawdown migrate`, so that roles made later get their rights.
do $$
declare
    may_create  constant boolean := (select rolcreaterole or rolsuper from pg_roles where rolname = current_user);
    role_name   text;
begin
    foreach role_name in array array['drawdown_worker', 'drawdown_reader'] loop
        if not exists (select from pg_roles where rolname = role_name) and may_create then
            begin
                execute format('create role %I nologin', role_name);
            exception when duplicate_object or unique_violation then
                null; -- made by the migration of another database of this server
            end;
        end if;
    end loop;

    if exists (select from pg_roles where rolname = 'drawdown_worker') then
        grant usage on schema drawdown to drawdown_worker;
        grant select on drawdown.schema_version, drawdown.currency to drawdown_worker;
        grant select, insert on drawdown.setting, drawdown.ledger_entry, drawdown.receipt to drawdown_worker;
        grant select, insert, update on drawdown.account, drawdown.credit_grant, drawdown.input_position
            to drawdown_worker;
        grant select, insert, update, delete on drawdown.hold, drawdown.due, drawdown.parked to drawdown_worker;
        grant select on drawdown.ledger, drawdown.accounts, drawdown.grants to drawdown_worker;
        grant execute on function drawdown.make_receipt_generation(timestamptz) to drawdown_worker;
    else
        raise notice 'role drawdown_worker is missing and % may not create it', current_user;
    end if;
    if exists (select from pg_roles where rolname = 'drawdown_reader') then
        grant usage on schema drawdown to drawdown_reader;
        grant select on drawdown.ledger, drawdown.accounts, drawdown.grants, drawdown.currency to drawdown_reader;
    else
        raise notice 'role drawdown_reader is missing and % may not create it', current_user;
    end if;
end
$$;
