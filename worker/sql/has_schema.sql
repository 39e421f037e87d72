-- no parameters. Was this database ever migrated?
select to_regclass('drawdown.schema_version') is not null
