-- no parameters; rows in binary
copy drawdown.parked (
    customer_id, source_partition, ordinal, source_topic, source_offset, source_timestamp, reason, key, value, headers)
from stdin (format binary)
