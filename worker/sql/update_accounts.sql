-- $1 text[] customer_id, $2 tid[] where its row lies: locked by this transaction, $3 bigint[] seq, $4 numeric[] balance,
-- $5 numeric[] consumed, $6 timestamptz[] clock, $7 text[] fresh_topic, $8 integer[] fresh_partition,
-- $9 bigint[] fresh_offset, $10 timestamptz[] fresh_event_time, $11 json[] open_grants. What plain usage changes of an
-- account.
update drawdown.account a
set seq = k.seq, balance = k.balance, consumed = k.consumed, clock = k.clock, fresh_topic = k.fresh_topic,
    fresh_partition = k.fresh_partition, fresh_offset = k.fresh_offset, fresh_event_time = k.fresh_event_time,
    open_grants = k.open_grants
from unnest($1::text[], $2::tid[], $3::bigint[], $4::numeric[], $5::numeric[], $6::timestamptz[], $7::text[],
            $8::integer[], $9::bigint[], $10::timestamptz[], $11::json[])
         as k(customer_id, row, seq, balance, consumed, clock, fresh_topic, fresh_partition, fresh_offset,
              fresh_event_time, open_grants)
where a.ctid = k.row and a.customer_id = k.customer_id
