-- no parameters; rows in binary
copy drawdown.transfer (customer_id, currency_id, resource_id, overdraft_id, seq, grant_id, amount, returned)
from stdin (format binary)
