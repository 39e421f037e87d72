-- $1 text[] customer_id, $2 text[] currency_id, $3 text[] resource_id, $4 bigint[] seq, $5 numeric[] balance,
-- $6 numeric[] held, $7 numeric[] granted, $8 numeric[] consumed, $9 timestamptz[] clock, $10 bigint[] grants_made,
-- $11 text[] fresh_topic, $12 integer[] fresh_partition, $13 bigint[] fresh_offset,
-- $14 timestamptz[] fresh_event_time, $15 json[] open_grants
update drawdown.account a
set seq = k.seq, balance = k.balance, held = k.held, granted = k.granted, consumed = k.consumed, clock = k.clock,
    grants_made = k.grants_made, fresh_topic = k.fresh_topic, fresh_partition = k.fresh_partition,
    fresh_offset = k.fresh_offset, fresh_event_time = k.fresh_event_time, open_grants = k.open_grants
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::numeric[], $6::numeric[], $7::numeric[],
            $8::numeric[], $9::timestamptz[], $10::bigint[], $11::text[], $12::integer[], $13::bigint[],
            $14::timestamptz[], $15::json[])
         as k(customer_id, currency_id, resource_id, seq, balance, held, granted, consumed, clock, grants_made,
              fresh_topic, fresh_partition, fresh_offset, fresh_event_time, open_grants)
where a.customer_id = k.customer_id and a.currency_id = k.currency_id and a.resource_id = k.resource_id
