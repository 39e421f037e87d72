-- $1 text currency_id, $2 text display_name, $3 text units, $4 bigint expiry_grace in microseconds, $5 text over_limit,
-- $6 numeric overdraft_limit, $7 text thresholds. Null: as it was; '' and a limit below 0: none.
insert into drawdown.currency as c (
    currency_id, display_name, units, expiry_grace, over_limit, overdraft_limit, thresholds)
values ($1::text, nullif($2::text, ''), nullif($3::text, ''), coalesce($4::bigint, 0) * interval '1 microsecond',
        coalesce($5::text, 'allow'), case when $6::numeric >= 0 then $6::numeric end, $7::text::json)
on conflict (currency_id) do update
set display_name = nullif(coalesce($2::text, c.display_name), ''),
    units = nullif(coalesce($3::text, c.units), ''),
    expiry_grace = coalesce($4::bigint * interval '1 microsecond', c.expiry_grace),
    over_limit = coalesce($5::text, c.over_limit),
    overdraft_limit = case when $6::numeric < 0 then null else coalesce($6::numeric, c.overdraft_limit) end,
    thresholds = coalesce($7::text::json, c.thresholds),
    updated_at = now()
