-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id. The columns of lock_accounts, without a lock.
select k.position, a.ctid, a.seq, a.balance, a.held, a.granted, a.consumed, a.clock, a.grants_made, a.holds_made,
       a.fresh_topic, a.fresh_partition, a.fresh_offset, a.fresh_event_time, a.open_grants, a.overrides, a.alerts
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as k(customer_id, currency_id, resource_id, position)
join drawdown.account a
  on a.customer_id = k.customer_id and a.currency_id = k.currency_id and a.resource_id = k.resource_id
order by k.position
