-- no parameters. Held by the session: one migration of this database at a time.
select pg_advisory_lock(7883670271310684263) is null
