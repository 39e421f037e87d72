-- no parameters; rows in binary
copy drawdown.receipt (
    customer_id, key_hash, event_class, idempotency_key, fingerprint, kind, currency_id, resource_id, outcome, code,
    requested_amount, applied_amount, balance, range_first, range_last, first_seq, last_seq,
    notifications, source_topic, source_partition, source_offset, source_timestamp)
from stdin (format binary)
