-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 text[] overdraft_id. Of each account oldest first.
select k.position, t.seq, t.grant_id, t.amount, t.returned
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
         as k(customer_id, currency_id, resource_id, overdraft_id, position)
join drawdown.transfer t
  on t.customer_id = k.customer_id and t.currency_id = k.currency_id and t.resource_id = k.resource_id
     and t.overdraft_id = k.overdraft_id
order by t.seq
