-- $1 text topic, $2 timestamptz since. From the input's append to the commit of its entries, in microseconds
with latency as materialized (
    select (extract(epoch from pg_xact_commit_timestamp(e.xmin) - e.source_timestamp) * 1000000)::bigint as us
    from drawdown.ledger_entry e
    where e.source_topic = $1::text and e.source_timestamp >= $2::timestamptz
)
select count(us), percentile_disc(0.5) within group (order by us), percentile_disc(0.99) within group (order by us),
       percentile_disc(0.999) within group (order by us), max(us)
from latency
