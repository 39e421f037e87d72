-- $1 text customer_id. The queue of each partition.
select p.source_partition, min(p.ordinal), max(p.ordinal)
from drawdown.parked p
where p.customer_id = $1::text
group by p.source_partition
order by p.source_partition
