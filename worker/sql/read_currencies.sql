-- $1 text[] currency_id. At least one row, with what counts for all currencies; currency_id is null where no row names any.
select s.receipts_from, c.currency_id, (extract(epoch from c.expiry_grace) * 1000000)::bigint as expiry_grace_us,
       c.over_limit, c.overdraft_limit, c.thresholds
from (select (select receipts_from from drawdown.setting) as receipts_from) s
left join drawdown.currency c on c.currency_id = any ($1::text[])
