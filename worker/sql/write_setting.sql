-- $1 bigint receipt_generation_us. The first worker's holds.
insert into drawdown.setting (receipt_generation_us) values ($1::bigint) on conflict do nothing
