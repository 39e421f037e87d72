-- $1 text registry, $2 text subject, $3 bigint fingerprint
select o.schema_id
from drawdown.output_schema o
where o.registry = $1::text and o.subject = $2::text and o.fingerprint = $3::bigint
