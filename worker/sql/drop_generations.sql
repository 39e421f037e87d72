-- $1 timestamptz ended_by, $2 bigint horizon, $3 bigint longest wait for the lock in microseconds
select drawdown.drop_receipt_generations($1::timestamptz, $2::bigint, $3::bigint * interval '1 microsecond')
