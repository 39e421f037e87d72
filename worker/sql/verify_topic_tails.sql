-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 bigint[] first seq, $5 bigint[] last seq,
-- $6 text[] topic, $7 integer[] partition, $8 bigint[] committed offset. Of each range of entries: how many were
-- published when those offsets were committed, the first and the last of them, and how many were not yet.
select k.position, count(*) filter (where t.is_published) as published_count,
       min(t.seq) filter (where t.is_published) as first_published,
       max(t.seq) filter (where t.is_published) as last_published,
       count(*) filter (where not t.is_published) as unpublished_count
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) with ordinality
         as k(customer_id, currency_id, resource_id, first_seq, last_seq, position)
cross join lateral (
    select l.seq, coalesce(l.source_offset < p.committed, true) as is_published
    from drawdown.ledger_entry l
    left join unnest($6::text[], $7::integer[], $8::bigint[]) as p(topic, partition, committed)
      on p.topic = l.source_topic and p.partition = l.source_partition
    where l.customer_id = k.customer_id and l.currency_id = k.currency_id and l.resource_id = k.resource_id
      and l.seq between k.first_seq and k.last_seq) t
group by k.position
