-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 text[] overdraft_id, $5 bigint[] seq,
-- $6 numeric[] returned
update drawdown.transfer t
set returned = k.returned
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::numeric[])
         as k(customer_id, currency_id, resource_id, overdraft_id, seq, returned)
where t.customer_id = k.customer_id and t.currency_id = k.currency_id and t.resource_id = k.resource_id
  and t.overdraft_id = k.overdraft_id and t.seq = k.seq
