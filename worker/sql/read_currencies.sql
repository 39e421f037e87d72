-- $1 text[] currency_id
select currency_id, (extract(epoch from expiry_grace) * 1000000)::bigint as expiry_grace_us
from drawdown.currency
where currency_id = any ($1::text[])
