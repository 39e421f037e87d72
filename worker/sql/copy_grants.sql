-- no parameters; rows in binary
copy drawdown.credit_grant (
    customer_id, grant_id, currency_id, resource_id, grant_type, amount, priority, effective_at, expire_at,
    created_at, ordinal, idempotency_key, cost_amount, cost_currency, display_name, comment, metadata)
from stdin (format binary)
