-- $1 to $11 as in update_accounts.sql; $12 numeric[] held, $13 numeric[] granted, $14 bigint[] grants_made,
-- $15 bigint[] holds_made, $16 json[] overrides, $17 json[] alerts
update drawdown.account a
set seq = k.seq, balance = k.balance, consumed = k.consumed, clock = k.clock, fresh_topic = k.fresh_topic,
    fresh_partition = k.fresh_partition, fresh_offset = k.fresh_offset, fresh_event_time = k.fresh_event_time,
    open_grants = k.open_grants, held = k.held, granted = k.granted, grants_made = k.grants_made,
    holds_made = k.holds_made, overrides = k.overrides, alerts = k.alerts
from unnest($1::text[], $2::tid[], $3::bigint[], $4::numeric[], $5::numeric[], $6::timestamptz[], $7::text[],
            $8::integer[], $9::bigint[], $10::timestamptz[], $11::json[], $12::numeric[], $13::numeric[], $14::bigint[],
            $15::bigint[], $16::json[], $17::json[])
         as k(customer_id, row, seq, balance, consumed, clock, fresh_topic, fresh_partition, fresh_offset,
              fresh_event_time, open_grants, held, granted, grants_made, holds_made, overrides, alerts)
where a.ctid = k.row and a.customer_id = k.customer_id
