-- $1 text customer_id, $2 text currency_id, $3 text resource_id or null, $4 numeric requested or null
select balance, spendable, held, granted, consumed, is_granted, reason, over_limit, overdraft_limit, next_change_at,
       fresh_topic, fresh_partition, fresh_offset, fresh_event_time
from drawdown.get_credit_entitlement($1::text, $2::text, $3::text, $4::numeric)
