-- $1 text customer_id, $2 text currency_id, $3 text resource_id: of the accounts behind this one, $4, $5, $6: up to
-- this one. Where more was reversed than the consumption that it names has taken.
select r.customer_id, r.currency_id, r.resource_id,
       format('reversed of the consumption at seq %s', r.first_seq) as what,
       format('at most %s', trim_scale(c.consumed)) as expected, trim_scale(r.reversed)::text as found
from drawdown.reversal r
cross join lateral (
    select coalesce(-sum(l.amount), 0) as consumed
    from drawdown.ledger_entry f
    join drawdown.ledger_entry l
      on l.customer_id = f.customer_id and l.currency_id = f.currency_id and l.resource_id = f.resource_id
         and l.seq between f.first_seq and f.last_seq and l.event_type = 2
    where f.customer_id = r.customer_id and f.currency_id = r.currency_id and f.resource_id = r.resource_id
      and f.seq = r.first_seq and f.first_seq = r.first_seq) c
where (r.customer_id, r.currency_id, r.resource_id) > ($1::text, $2::text, $3::text)
  and (r.customer_id, r.currency_id, r.resource_id) <= ($4::text, $5::text, $6::text)
  and r.reversed > c.consumed
