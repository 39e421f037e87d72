-- $1 timestamptz of a record
select drawdown.make_receipt_generation($1::timestamptz)
