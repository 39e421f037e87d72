-- $1 text[] customer_id, $2 bigint[] source_offset, $3 timestamptz[] source_timestamp. Receipts of records that made no
-- entries themselves, but were the occasion of some by the advance in time: no key leads to them, so each customer's
-- receipts are read, once for many entries. The caller tells the sources apart.
select r.customer_id, r.currency_id, r.resource_id, r.range_first, r.range_last,
       r.source_topic, r.source_partition, r.source_offset, r.source_timestamp
from drawdown.receipt r
where r.customer_id = any($1::text[]) and r.source_offset = any($2::bigint[])
  and r.source_timestamp = any($3::timestamptz[])
  and r.range_first is not null and r.first_seq is null
