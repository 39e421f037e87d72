-- no parameters; rows in binary
copy drawdown.ledger_entry (
    customer_id, currency_id, resource_id, seq, event_type, amount, grant_id, grant_remaining, balance_before,
    balance_after, idempotency_key, requested_amount, first_seq, last_seq, outcome, event_time, recorded_at,
    dimensions, source_topic, source_partition, source_offset, source_timestamp, traceparent)
from stdin (format binary)
