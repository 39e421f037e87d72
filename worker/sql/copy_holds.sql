-- no parameters; rows in binary
copy drawdown.hold (
    customer_id, currency_id, resource_id, reservation_id, state, amount, created_at, expires_at, closed_at, ordinal,
    parts)
from stdin (format binary)
