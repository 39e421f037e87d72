-- $1 text customer_id or null for all. Customers with parked records: since when, why, and from where to where.
select p.customer_id, count(*), min(p.parked_at), max(p.parked_at),
       (array_agg(p.reason order by p.parked_at desc) filter (where p.reason is not null))[1],
       (array_agg(p.source_topic || '/' || p.source_partition || '/' || p.source_offset
                  order by p.source_timestamp, p.source_offset))[1],
       (array_agg(p.source_topic || '/' || p.source_partition || '/' || p.source_offset
                  order by p.source_timestamp desc, p.source_offset desc))[1]
from drawdown.parked p
where $1::text is null or p.customer_id = $1::text
group by p.customer_id
order by p.customer_id
