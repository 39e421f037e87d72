-- $1 text currency_id or null for all
select currency_id, display_name, units, (extract(epoch from expiry_grace) * 1000000)::bigint as expiry_grace_us,
       over_limit, overdraft_limit, thresholds
from drawdown.currency
where $1::text is null or currency_id = $1::text
order by currency_id
