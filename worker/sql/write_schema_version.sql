-- $1 integer version, $2 text name
insert into drawdown.schema_version (version, name) values ($1::integer, $2::text)
