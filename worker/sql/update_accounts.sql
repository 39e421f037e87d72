-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 bigint[] seq, $5 numeric[] balance,
-- $6 numeric[] held, $7 numeric[] granted, $8 numeric[] consumed, $9 timestamptz[] clock, $10 bigint[] grants_made,
-- $11 bigint[] holds_made, $12 text[] fresh_topic, $13 integer[] fresh_partition, $14 bigint[] fresh_offset,
-- $15 timestamptz[] fresh_event_time, $16 json[] open_grants, $17 json[] overrides, $18 json[] alerts
update drawdown.account a
set seq = k.seq, balance = k.balance, held = k.held, granted = k.granted, consumed = k.consumed, clock = k.clock,
    grants_made = k.grants_made, holds_made = k.holds_made, fresh_topic = k.fresh_topic,
    fresh_partition = k.fresh_partition, fresh_offset = k.fresh_offset, fresh_event_time = k.fresh_event_time,
    open_grants = k.open_grants, overrides = k.overrides, alerts = k.alerts
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::numeric[], $6::numeric[], $7::numeric[],
            $8::numeric[], $9::timestamptz[], $10::bigint[], $11::bigint[], $12::text[], $13::integer[],
            $14::bigint[], $15::timestamptz[], $16::json[], $17::json[], $18::json[])
         as k(customer_id, currency_id, resource_id, seq, balance, held, granted, consumed, clock, grants_made,
              holds_made, fresh_topic, fresh_partition, fresh_offset, fresh_event_time, open_grants, overrides, alerts)
where a.customer_id = k.customer_id and a.currency_id = k.currency_id and a.resource_id = k.resource_id
