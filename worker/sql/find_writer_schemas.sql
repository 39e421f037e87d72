-- $1 text[] registry ('': by fingerprint), $2 bigint[] ref: ordinal in the arrays, schema
select k.ordinal, w.schema
from unnest($1::text[], $2::bigint[]) with ordinality k(registry, ref, ordinal)
join drawdown.writer_schema w on w.registry = k.registry and w.ref = k.ref
