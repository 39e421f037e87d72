-- $1 text[] customer_id, $2 uuid[] key_hash, $3 text[] topic, $4 integer[] partition, $5 bigint[] offset,
-- $6 timestamptz[] timestamp, $7 bigint[] offset of the row that is handed in again, or null, $8 bytea[] its value.
-- Of each record: has it a receipt of its own, and a row; which row does it hand in again; from where to where does the
-- queue of its customer and partition go; has the customer rows of other partitions.
select k.position,
       exists (select from drawdown.receipt r
               where r.key_hash = k.key_hash and r.customer_id = k.customer_id and r.source_topic = k.topic
                 and r.source_partition = k.partition and r.source_offset = k.source_offset
                 and r.source_timestamp = k.source_timestamp),
       (select p.ordinal from drawdown.parked p
        where p.customer_id = k.customer_id and p.source_topic = k.topic and p.source_partition = k.partition
          and p.source_offset = k.source_offset and p.source_timestamp = k.source_timestamp),
       (select min(p.ordinal) from drawdown.parked p
        where p.customer_id = k.customer_id and p.source_topic = k.topic and p.source_partition = k.partition
          and p.source_offset = k.released_offset and p.value = k.value),
       (select min(p.ordinal) from drawdown.parked p
        where p.customer_id = k.customer_id and p.source_partition = k.partition),
       (select max(p.ordinal) from drawdown.parked p
        where p.customer_id = k.customer_id and p.source_partition = k.partition),
       exists (select from drawdown.parked p
               where p.customer_id = k.customer_id and p.source_partition <> k.partition)
from unnest($1::text[], $2::uuid[], $3::text[], $4::integer[], $5::bigint[], $6::timestamptz[], $7::bigint[], $8::bytea[])
         with ordinality as k(customer_id, key_hash, topic, partition, source_offset, source_timestamp, released_offset,
                              value, position)
