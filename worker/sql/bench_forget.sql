-- no parameters. Statistics of this database's statements begin anew
select pg_stat_statements_reset(0, (select oid from pg_catalog.pg_database where datname = current_database()), 0)
