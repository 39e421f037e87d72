-- no parameters. Is there no account, and has the ledger no index, so that nothing here can be somebody's books?
select not exists (select from drawdown.account)
       and not exists (select from pg_catalog.pg_index where indrelid = 'drawdown.ledger_entry'::regclass) as may_be
