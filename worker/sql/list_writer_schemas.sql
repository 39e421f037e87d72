-- $1 bigint: so many at most, the newest. Those of fingerprints first.
select w.registry, w.ref, w.schema, w.kept_at
from (select n.registry, n.ref, n.schema, n.kept_at
      from drawdown.writer_schema n
      order by n.kept_at desc
      limit $1::bigint) w
order by w.registry, w.ref
