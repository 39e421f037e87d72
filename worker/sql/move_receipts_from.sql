-- $1 text[] topic, $2 integer partitions of each, $3 bigint window in microseconds
select moved_to, may_drop
from drawdown.move_receipts_from($1::text[], $2::integer, $3::bigint * interval '1 microsecond')
