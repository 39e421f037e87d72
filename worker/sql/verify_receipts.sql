-- $1 uuid key_hash, $2 timestamptz source_timestamp: the receipts behind this one, $3 text customer_id: of this one only
-- (null: of all), $4 bigint limit. Each with what the ledger has in its range.
-- strange: entries in the range that are of another source, or are its own and should not be, or the other way.
select r.customer_id, r.currency_id, r.resource_id, r.key_hash, r.source_timestamp, r.event_class, r.kind, r.outcome,
       r.idempotency_key, r.applied_amount, r.range_first, r.range_last, r.first_seq, r.last_seq,
       coalesce(e.count, 0) as entries_count, coalesce(e.strange, 0) as strange_count, e.own_sum
from (
    select *
    from drawdown.receipt r
    where (r.key_hash, r.source_timestamp) > ($1::uuid, $2::timestamptz)
      and ($3::text is null or r.customer_id = $3::text)
    order by r.key_hash, r.source_timestamp
    limit $4::bigint) r
left join lateral (
    select count(*) as count,
           count(*) filter (where
               (l.source_topic, l.source_partition, l.source_offset, l.source_timestamp)
                   <> (r.source_topic, r.source_partition, r.source_offset, r.source_timestamp)
               or case when l.seq between r.first_seq and r.last_seq
                       then l.idempotency_key is distinct from r.idempotency_key or l.outcome <> r.outcome
                            or (l.first_seq, l.last_seq) <> (r.first_seq, r.last_seq)
                       else l.idempotency_key is not null end) as strange,
           coalesce(sum(l.amount) filter (where l.seq between r.first_seq and r.last_seq), 0) as own_sum
    from drawdown.ledger_entry l
    where l.customer_id = r.customer_id and l.currency_id = r.currency_id and l.resource_id = r.resource_id
      and l.seq between r.range_first and r.range_last) e on r.range_first is not null
order by r.key_hash, r.source_timestamp
