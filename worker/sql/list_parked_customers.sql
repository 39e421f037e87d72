-- $1 integer[] partition. Customers with rows of these partitions, each once; skips from one to the next by the index,
-- because one may have a million rows.
with recursive c(customer_id) as (
    (select customer_id from drawdown.parked order by customer_id limit 1)
    union all
    select (select p.customer_id from drawdown.parked p where p.customer_id > c.customer_id order by p.customer_id limit 1)
    from c
    where c.customer_id is not null
)
select c.customer_id
from c
where exists (select from drawdown.parked p
              where p.customer_id = c.customer_id and p.source_partition = any($1::integer[]))
