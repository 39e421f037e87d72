-- no parameters. Whoever begins to write from now on has this number or a greater one.
select pg_snapshot_xmax(pg_current_snapshot())::text::bigint
