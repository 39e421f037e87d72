-- Microseconds that a look-up of receipts takes for one key in one generation more: the least of many, with one
-- generation and with nine, everything in memory. A line of JSON. Writes eight generations: not for a database that
-- anybody needs.
\set QUIET on
set jit = off; set plan_cache_mode = force_generic_plan; set max_parallel_workers_per_gather = 0;
set enable_seqscan = off; set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off;
set enable_memoize = off; set enable_material = off;
create temporary table probe as
select customer_id, key_hash from drawdown.receipt order by md5(key_hash::text) limit 200;
select array_agg(customer_id order by customer_id, key_hash) as customers,
       array_agg(key_hash order by customer_id, key_hash) as keys
from probe \gset
\set find `sed 's/--.*//' worker/sql/find_receipts.sql`
prepare find as :find;
create function pg_temp.least(customers text[], keys uuid[]) returns numeric language plpgsql as $$
declare
    plan   json;
    least  numeric;
begin
    for i in 1..400 loop
        execute format('explain (analyze, timing off, format json) execute find(%L, %L)', customers, keys) into plan;
        least := least(least, (plan -> 0 ->> 'Execution Time')::numeric * 1000 / cardinality(keys));
    end loop;
    return least;
end
$$;
select pg_temp.least(:'customers', :'keys') as one \gset
select drawdown.make_receipt_generation(max(source_timestamp) - n * (select receipt_generation_us * interval '1 microsecond' from drawdown.setting))
from drawdown.receipt, generate_series(1, 8) n group by n \g /dev/null
select string_agg(case attname when 'source_timestamp' then 'r.source_timestamp - n * (select receipt_generation_us * interval ''1 microsecond'' from drawdown.setting)'
                               when 'key_hash' then 'md5(r.key_hash::text || n)::uuid'
                               else 'r.' || attname end, ', ' order by attnum) as columns
from pg_attribute where attrelid = 'drawdown.receipt'::regclass and attnum > 0 and not attisdropped \gset
insert into drawdown.receipt
select :columns from generate_series(1, 8) n, (select * from drawdown.receipt limit 200000) r;
analyze drawdown.receipt;
select pg_temp.least(:'customers', :'keys') as nine \gset
select format(', "lookup_us_in_one_generation": %s, "postgres_us_per_generation": %s',
              round(:one, 2), round((:nine - :one) / 8, 2));
