-- no parameters. Who may do what; run by every `drawdown migrate`, so that roles made later get their rights.
do $$
declare
    may_create  constant boolean := (select rolcreaterole or rolsuper from pg_roles where rolname = current_user);
    role_name   text;
begin
    foreach role_name in array array['drawdown_worker', 'drawdown_reader', 'drawdown_operator'] loop
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
        grant select, insert on drawdown.setting, drawdown.ledger_entry, drawdown.receipt, drawdown.writer_schema,
            drawdown.output_schema to drawdown_worker;
        grant select, insert, update on drawdown.account, drawdown.credit_grant, drawdown.hold, drawdown.transfer,
            drawdown.reversal, drawdown.input_position to drawdown_worker;
        revoke delete on drawdown.hold from drawdown_worker; -- earlier versions granted it
        grant select, insert, update, delete on drawdown.due, drawdown.parked to drawdown_worker;
        grant select on drawdown.ledger, drawdown.accounts, drawdown.grants, drawdown.holds to drawdown_worker;
        grant execute on function drawdown.make_receipt_generation(timestamptz),
            drawdown.move_receipts_from(text[], integer, interval),
            drawdown.drop_receipt_generations(timestamptz, bigint, interval) to drawdown_worker;
    else
        raise notice 'role drawdown_worker is missing and % may not create it', current_user;
    end if;
    if exists (select from pg_roles where rolname = 'drawdown_reader') then
        grant usage on schema drawdown to drawdown_reader;
        grant select on drawdown.ledger, drawdown.accounts, drawdown.grants, drawdown.holds, drawdown.currency
            to drawdown_reader;
    else
        raise notice 'role drawdown_reader is missing and % may not create it', current_user;
    end if;
    if exists (select from pg_roles where rolname = 'drawdown_operator') then
        grant usage on schema drawdown to drawdown_operator;
        grant select, insert, update on drawdown.currency to drawdown_operator;
        grant select, insert on drawdown.writer_schema to drawdown_operator;
        grant select on drawdown.parked to drawdown_operator;
    else
        raise notice 'role drawdown_operator is missing and % may not create it', current_user;
    end if;
end
$$;
