-- $1 text registry, $2 bigint ref, $3 text schema, $4 bigint: so many rows there may be. The first one stays.
insert into drawdown.writer_schema (registry, ref, schema)
select $1::text, $2::bigint, $3::text
where (select count(*) from drawdown.writer_schema) < $4::bigint
on conflict (registry, ref) do nothing
