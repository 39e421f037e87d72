-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 bigint[] first_seq, $5 numeric[] reversed
insert into drawdown.reversal as r (customer_id, currency_id, resource_id, first_seq, reversed)
select k.customer_id, k.currency_id, k.resource_id, k.first_seq, k.reversed
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::numeric[])
         as k(customer_id, currency_id, resource_id, first_seq, reversed)
on conflict (customer_id, currency_id, resource_id, first_seq) do update set reversed = excluded.reversed
