-- $1 text customer_id, $2 text currency_id, $3 text resource_id, $4 bigint seq: the entries behind this one, $5, $6,
-- $7: up to this account, $8 bigint limit. agrees: a grant's posting is that of its row; a transfer's target has its
-- row in transfer, which names the overdraft of the entry before. Not `exists`: that may be planned as a hash of all.
select l.customer_id, l.currency_id, l.resource_id, l.seq, l.event_type, l.amount, l.grant_id, l.grant_remaining,
       l.balance_before, l.balance_after, l.idempotency_key, l.first_seq, l.last_seq, l.recorded_at,
       l.source_topic, l.source_partition, l.source_offset, l.source_timestamp,
       case l.event_type
           when 1 then coalesce((
               select true
               from drawdown.credit_grant g
               where g.customer_id = l.customer_id and g.grant_id = l.grant_id and g.currency_id = l.currency_id
                 and g.resource_id = l.resource_id and g.amount = l.amount), false)
           when 7 then coalesce((
               select true
               from drawdown.ledger_entry s
               join drawdown.transfer t
                 on t.customer_id = s.customer_id and t.currency_id = s.currency_id
                    and t.resource_id = s.resource_id and t.overdraft_id = s.grant_id
               where s.customer_id = l.customer_id and s.currency_id = l.currency_id
                 and s.resource_id = l.resource_id and s.seq = l.seq - 1 and s.event_type = 6
                 and s.amount = -l.amount and t.seq = l.seq and t.grant_id = l.grant_id
                 and t.amount = -l.amount), false)
           else true end as agrees
from drawdown.ledger_entry l
where (l.customer_id, l.currency_id, l.resource_id, l.seq) > ($1::text, $2::text, $3::text, $4::bigint)
  and (l.customer_id, l.currency_id, l.resource_id) <= ($5::text, $6::text, $7::text)
order by l.customer_id, l.currency_id, l.resource_id, l.seq
limit $8::bigint
