-- $1 text customer_id, $2 text currency_id, $3 text resource_id: the accounts behind this one, $4 text last customer,
-- $5 bigint limit. Each with what other tables say of it.
select a.customer_id, a.currency_id, a.resource_id, a.seq, a.balance, a.held, a.granted, a.consumed, a.open_grants,
       coalesce((select l.seq
                 from drawdown.ledger_entry l
                 where l.customer_id = a.customer_id and l.currency_id = a.currency_id
                   and l.resource_id = a.resource_id
                 order by l.seq desc limit 1), 0) as newest_seq,
       (select coalesce(sum(h.amount), 0)
        from drawdown.hold h
        where h.customer_id = a.customer_id and h.currency_id = a.currency_id and h.resource_id = a.resource_id
          and h.state = 0) as held_by_holds,
       (select count(*)
        from drawdown.transfer t
        where t.customer_id = a.customer_id and t.currency_id = a.currency_id
          and t.resource_id = a.resource_id) as transfers_count,
       (select coalesce(sum(r.reversed), 0)
        from drawdown.reversal r
        where r.customer_id = a.customer_id and r.currency_id = a.currency_id
          and r.resource_id = a.resource_id) as reversed
from drawdown.account a
where (a.customer_id, a.currency_id, a.resource_id) > ($1::text, $2::text, $3::text) and a.customer_id <= $4::text
order by a.customer_id, a.currency_id, a.resource_id
limit $5::bigint
