-- $1 text registry, $2 text subject, $3 bigint fingerprint, $4 integer schema_id. The first one stays.
insert into drawdown.output_schema (registry, subject, fingerprint, schema_id)
values ($1::text, $2::text, $3::bigint, $4::integer)
on conflict (registry, subject, fingerprint) do nothing
