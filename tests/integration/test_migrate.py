"""The schema is brought up to date, on an empty database and over the books of an earlier version.

Method: the migrations up to an earlier version are run as that version's program ran them, rows as it wrote them are put
in, then `drawdown migrate` does the rest.
"""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import psycopg
import pytest
from support.servers import ROOT

MIGRATIONS = sorted((ROOT / "worker/sql/migrations").glob("*.sql"))
EXPIRY = datetime(2031, 9, 1, 12, 30, 0, 123457, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def microseconds(time):
    return (time - EPOCH) // timedelta(microseconds=1)


def set_back(owner, version):
    """An empty schema of that version."""
    owner.execute("drop schema drawdown cascade")
    for number, path in enumerate(MIGRATIONS[:version], 1):
        owner.execute(path.read_text())
        owner.execute("insert into drawdown.schema_version (version, name) values (%s, %s)", [number, path.stem[5:]])


@pytest.fixture
def of_version_3(drawdown):
    """Books of version 3: an account with a grant that is used, a receipt of it."""
    with psycopg.connect(drawdown.owner_url) as owner:
        set_back(owner, 3)
        owner.execute("insert into drawdown.setting (receipt_generation_us) values (86400000000)")
        owner.execute("select drawdown.make_receipt_generation('2026-01-02T03:04:05Z')")
        owner.execute("insert into drawdown.currency (currency_id, expiry_grace) values ('graced', '1 hour')")
        grants = f"""[
            {{"grantId":"later","grantType":"PAID","status":"ACTIVE","remaining":"5","priority":0,"effectiveAt":0,
              "expireAt":{microseconds(EXPIRY) + 1},"createdAt":0,"ordinal":2}},
            {{"grantId":"g","grantType":"PAID","status":"ACTIVE","remaining":"5","priority":0,"effectiveAt":0,
              "expireAt":{microseconds(EXPIRY)},"createdAt":0,"ordinal":1}}]"""
        for currency in ("graced", "plain"):
            owner.execute(
                """insert into drawdown.account (customer_id, currency_id, balance, granted, seq, grants_made, clock,
                       open_grants) values ('acme', %s, 10, 10, 2, 2, '2026-01-02T03:04:05Z', %s)""",
                [currency, grants],
            )
        owner.execute("insert into drawdown.account (customer_id, currency_id) values ('acme', 'empty')")
        owner.execute(
            """insert into drawdown.receipt (source_timestamp, source_offset, source_partition, event_class, kind,
                   outcome, key_hash, fingerprint, customer_id, currency_id, requested_amount, applied_amount, balance,
                   range_first, range_last, first_seq, last_seq, idempotency_key, source_topic)
               values ('2026-01-02T03:04:05Z', 1, 0, 0, 0, 1, gen_random_uuid(), gen_random_uuid(), 'acme', 'plain',
                   1, 1, 10, 2, 2, 2, 2, 'key', 'credits.usage')"""
        )
    return drawdown


def test_books_of_an_earlier_version_are_brought_up_to_date_and_their_due_times_known(of_version_3):
    of_version_3.migrate()
    with psycopg.connect(of_version_3.owner_url) as owner:
        versions = [row[0] for row in owner.execute("select version from drawdown.schema_version order by version")]
        due = owner.execute("select currency_id, due_at from drawdown.due order by currency_id").fetchall()
        receipt = owner.execute("select idempotency_key, notifications from drawdown.receipt").fetchall()
        account = owner.execute(
            "select balance, holds_made, overrides, alerts from drawdown.account where currency_id = 'plain'"
        ).fetchone()
    assert versions == list(range(1, len(MIGRATIONS) + 1))
    assert due == [("graced", EXPIRY + timedelta(hours=1)), ("plain", EXPIRY)]
    assert receipt == [("key", None)]
    assert account == (Decimal(10), 0, None, None)


def test_a_second_migration_changes_nothing(of_version_3):
    of_version_3.migrate()
    before = of_version_3.books.query("select * from drawdown.schema_version order by version")
    of_version_3.migrate()
    assert of_version_3.books.query("select * from drawdown.schema_version order by version") == before


def test_workers_may_not_delete_what_the_books_need(of_version_3):
    of_version_3.migrate()
    with psycopg.connect(of_version_3.owner_url) as owner:
        tables = "account credit_grant ledger_entry receipt hold transfer reversal setting currency".split()
        may = [t for t in tables if owner.execute(
            "select has_table_privilege('drawdown_worker', 'drawdown.' || %s, 'delete')", [t]).fetchone()[0]]
        needed = owner.execute(
            """select bool_and(has_table_privilege('drawdown_worker', 'drawdown.' || t, p))
               from unnest(array['hold', 'transfer', 'reversal', 'due']) t,
                    unnest(array['select', 'insert', 'update']) p"""
        ).fetchone()[0]
    assert may == []
    assert needed


def test_a_database_that_cannot_keep_every_text_is_refused(drawdown):
    more = "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0"
    owner_url, _ = drawdown.servers.database(more)
    done = drawdown.run("migrate", check=False, DRAWDOWN_DATABASE_URL=owner_url)
    assert done.returncode == 2 and "encoding is LATIN1, drawdown needs UTF8" in done.stderr, done.stderr
