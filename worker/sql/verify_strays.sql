-- $1 text customer_id, $2 text currency_id, $3 text resource_id: behind this account, $4, $5, $6: up to this one.
-- Rows of accounts that are not there. The ledger is too long to be read for it: from each account one step in its
-- index leads to the next account that has entries.
with slice as materialized (
    select a.customer_id, a.currency_id, a.resource_id
    from drawdown.account a
    where (a.customer_id, a.currency_id, a.resource_id) > ($1::text, $2::text, $3::text)
      and (a.customer_id, a.currency_id, a.resource_id) <= ($4::text, $5::text, $6::text)
    union all
    select $1::text, $2::text, $3::text
), stray as (
    select n.customer_id, n.currency_id, n.resource_id, 'ledger_entry' as relation
    from slice s
    cross join lateral (
        select l.customer_id, l.currency_id, l.resource_id
        from drawdown.ledger_entry l
        where (l.customer_id, l.currency_id, l.resource_id) > (s.customer_id, s.currency_id, s.resource_id)
        order by l.customer_id, l.currency_id, l.resource_id, l.seq
        limit 1) n
    union all
    select g.customer_id, g.currency_id, g.resource_id, 'credit_grant'
    from drawdown.credit_grant g
    where g.customer_id >= $1::text and g.customer_id <= $4::text
    union all
    select h.customer_id, h.currency_id, h.resource_id, 'hold'
    from drawdown.hold h
    where (h.customer_id, h.currency_id, h.resource_id) > ($1::text, $2::text, $3::text)
    and (h.customer_id, h.currency_id, h.resource_id) <= ($4::text, $5::text, $6::text)
    union all
    select t.customer_id, t.currency_id, t.resource_id, 'transfer'
    from drawdown.transfer t
    where (t.customer_id, t.currency_id, t.resource_id) > ($1::text, $2::text, $3::text)
      and (t.customer_id, t.currency_id, t.resource_id) <= ($4::text, $5::text, $6::text)
    union all
    select r.customer_id, r.currency_id, r.resource_id, 'reversal'
    from drawdown.reversal r
    where (r.customer_id, r.currency_id, r.resource_id) > ($1::text, $2::text, $3::text)
      and (r.customer_id, r.currency_id, r.resource_id) <= ($4::text, $5::text, $6::text)
    union all
    select d.customer_id, d.currency_id, d.resource_id, 'due'
    from drawdown.due d
    where (d.customer_id, d.currency_id, d.resource_id) > ($1::text, $2::text, $3::text)
      and (d.customer_id, d.currency_id, d.resource_id) <= ($4::text, $5::text, $6::text)
)
select distinct s.customer_id, s.currency_id, s.resource_id, 'account of rows in ' || s.relation as what,
       'there' as expected, 'missing' as found
from stray s
where (s.customer_id, s.currency_id, s.resource_id) > ($1::text, $2::text, $3::text)
  and (s.customer_id, s.currency_id, s.resource_id) <= ($4::text, $5::text, $6::text)
  and not exists (
      select from drawdown.account a
      where a.customer_id = s.customer_id and a.currency_id = s.currency_id and a.resource_id = s.resource_id)
