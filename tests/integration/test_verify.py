"""`drawdown verify`: sound books are found sound, and each kind of damage is found and named.

Method: one installation lives through every kind of event there is. Each damage is done by the owner's hand to a copy
of its database (constraints dropped, which would not let it in) that is made good again before the next, or to a copy
of its ledger topic.
"""

import itertools
import json
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from threading import Event, Thread

import psycopg
import pytest
from confluent_kafka import Producer
from support.events import CURRENCY, consume, grant, void
from support.wait import wait_until
from support.worker import Installation

START = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=2)
HOUR = timedelta(hours=1)
copies = itertools.count(1)

DROP_CHECKS = """
    do $$
    declare one record;
    begin
        for one in select conrelid::regclass as relation, conname from pg_constraint
                   where contype = 'c' and connamespace = 'drawdown'::regnamespace and coninhcount = 0
                     and conname <> 'generation' loop
            execute format('alter table %s drop constraint %I', one.relation, one.conname);
        end loop;
    end $$"""


def command(kind, customer, key, **fields):
    return {"type": kind, "customerId": customer, "currencyId": CURRENCY, "idempotencyKey": key, **fields}


def live(drawdown):
    """Every kind of event, and what the advance in time does by itself."""

    def at(hours, *events, **how):
        when = START + hours * HOUR
        for event in events:
            drawdown.client.produce("commands", event, timestamp=round(when.timestamp() * 1000), **how)

    at(
        0,
        grant("acme", 100, "welcome-key", grantId="welcome", grantType="PROMOTIONAL", expireAt=START + 20 * HOUR),
        grant("acme", 50, grantId="paid"),
        grant("acme", 7, grantId="short", grantType="PROMOTIONAL", expireAt=START + 3 * HOUR, priority=9),
        consume("acme", 120, "use", dimensions={"model": "large", "cached": True, "share": 0.5}),
        consume("acme", 1, "use-traced"),
        headers=[("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
    )
    at(
        0.5,
        command("reserve", "acme", "reserve-1", reservationId="hold-1", amount=Decimal(10)),
        command("reserve", "acme", "reserve-2", reservationId="hold-2", amount=Decimal(5), ttlSeconds=7200),
        command("settle", "acme", "settle-2", reservationId="hold-2", amount=Decimal(3)),
        command("reserve", "acme", "reserve-3", reservationId="hold-3", amount=Decimal(2)),
        command("extend", "acme", "extend-3", reservationId="hold-3", ttlSeconds=1200),
        command("reserve", "acme", "reserve-4", reservationId="hold-4", amount=Decimal(1)),
        command("release", "acme", "release-4", reservationId="hold-4"),
        command("extend", "acme", "extend-1", reservationId="hold-1", ttlSeconds=24 * 3600),
        command("reverse", "acme", "reverse-use", reversedKey="use", amount=Decimal(15)),
        consume("acme", 1, "use"),
    )
    at(
        1,
        grant("broke", 10, grantId="small"),
        consume("broke", 25, "over"),
        grant("broke", 40, "pay", grantId="large"),
        command("reverse", "broke", "reverse-over", reversedKey="over"),
        consume("broke", 100, "over-again"),
        command("configure", "broke", "limits", overLimit="cap", thresholds=[{"amount": 5}, {"percent": 20}]),
        consume("broke", 3, "nothing-left"),
    )
    at(
        2,
        grant("team", 5, resourceId="seat-1"),
        grant("team", 6, grantId="unscoped"),
        consume("team", "0.000000000001", resourceId="seat-1"),
        grant("team", 3, grantId="taken"),
        void("team", "taken", "take"),
        grant("team", 4, grantId="later", effectiveAt=START + 5 * HOUR),
        grant("team", 4, grantId="much-later", effectiveAt=START + 500 * HOUR),
        grant("team", 4, grantId="unpaid", awaitPaymentConfirmation=True),
        grant("team", 4, grantId="bought", awaitPaymentConfirmation=True),
        command("confirm-payment", "team", "confirm", grantId="bought"),
        grant("other", 8, grantId="mine") | {"currencyId": "gpu-hours"},
        grant("late", 5, grantId="gone", expireAt=START + 4 * HOUR),
        grant("void-held", 5, grantId="held"),
        command("reserve", "void-held", "keep", reservationId="kept", amount=Decimal(2), ttlSeconds=24 * 3600),
        void("void-held", "held", "void-all-else"),
        grant("cut", 5, grantId="cut"),
        command("configure", "cut", "cap", overLimit="cap"),
        consume("cut", 9, "capped"),
    )
    at(6, consume("acme", 1, "use-2"), consume("team", 1, "use-later"), void("late", "no-such", "unknown"))
    at(7, command("settle", "void-held", "settle-kept", reservationId="kept", amount=Decimal(1)))
    drawdown.wait_for_lag_zero()


@pytest.fixture(scope="module")
def sound(servers, tmp_path_factory):
    drawdown = Installation(servers, tmp_path_factory.mktemp("sound"), "verify.", {"inputs.timestamps": "trusted"})
    drawdown.worker().start()
    live(drawdown)
    assert drawdown.workers[0].terminate() == 0
    drawdown.books.close()
    drawdown.books._connection = None
    yield drawdown
    drawdown.close()


def verify(drawdown, *arguments, **how):
    """Exit code and report."""
    done = drawdown.run("verify", "--json", *arguments, check=False, **how)
    assert done.returncode in (0, 3), done.stderr
    return done.returncode, json.loads(done.stdout, parse_float=Decimal)


TABLES = ("account", "credit_grant", "ledger_entry", "receipt", "hold", "transfer", "reversal", "due", "setting")


@pytest.fixture(scope="module")
def damage(sound):
    """damage(statement...): in a copy of the sound database; within, verify(sound, *copy) looks at it."""
    base = sound.owner_url.rsplit("/", 1)[1]
    with psycopg.connect(sound.servers.env["ADMIN_URL"], autocommit=True) as admin:
        admin.execute(f"create database verify_copy owner drawdown_owner template {base}")
    owner_url, url = (url.removesuffix(base) + "verify_copy" for url in (sound.owner_url, sound.database_url))
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(DROP_CHECKS)
        owner.execute("create schema saved")
        for table in TABLES:
            owner.execute(f"create table saved.{table} as table drawdown.{table}")

        @contextmanager
        def make(*statements):
            for statement in statements:
                assert owner.execute(statement).rowcount > 0, "nothing was damaged"
            try:
                yield ("--set", f"database.url={url}")
            finally:
                owner.execute(f"truncate {', '.join(f'drawdown.{table}' for table in TABLES)}")
                for table in TABLES:
                    owner.execute(f"insert into drawdown.{table} table saved.{table}")

        yield make


def test_sound_books_are_found_sound(sound):
    code, report = verify(sound, "--topic")
    assert report["differences"] == [] and code == 0 and report["sound"] is True
    (query,) = sound.books.query(
        "select count(*) as accounts, sum(seq)::bigint as entries, sum(balance) as balance from drawdown.account"
    )
    assert (report["accounts"], report["entries"]) == (query["accounts"], query["entries"])
    assert report["receipts"] == sound.books.count("receipt")
    assert {one["currencyId"] for one in report["currencies"]} == {CURRENCY, "gpu-hours"}
    assert sum(one["balance"] for one in report["currencies"]) == query["balance"]
    assert sum(one["entries"] for one in report["currencies"]) == query["entries"]
    assert report["topic"] == {"messages": query["entries"], "takenByRetention": 0, "notYetPublished": 0}
    sound.books.close()
    sound.books._connection = None


def test_one_customer_is_verified_alone(sound):
    code, report = verify(sound, "--customer", "team", "--topic")
    assert (code, report["accounts"]) == (0, 2)
    assert report["topic"]["messages"] == report["entries"] > 0
    assert verify(sound, "--customer", "nobody")[1]["accounts"] == 0


def test_the_report_reads_well(sound):
    done = sound.run("verify")
    assert done.stdout.endswith("the books are sound\n") and "gpu-hours" in done.stdout


E = "update drawdown.ledger_entry set "
A = "update drawdown.account set "
R = "update drawdown.receipt set "
ACME = " where customer_id = 'acme'"
USE = " where customer_id = 'acme' and idempotency_key = 'use'"

# What is done, and what must be named: (customer, a part of `what`).
DAMAGE = {
    "amount_changed": (E + "amount = amount - 1" + USE + " and seq = 4", "acme", "entry 4: balance_after"),
    "amount_and_chain_changed": (
        E + "amount = amount - 1, balance_after = balance_after - 1, grant_remaining = grant_remaining - 1" + USE
        + " and seq = 5", "acme", "entry 6: balance_before"),
    "entry_lost": ("delete from drawdown.ledger_entry" + ACME + " and seq = 5", "acme", "entries 5 to 5"),
    "first_entry_lost": ("delete from drawdown.ledger_entry" + ACME + " and seq = 1", "acme", "entries 1 to 1"),
    "newest_entry_lost": (
        "delete from drawdown.ledger_entry l using drawdown.account a where l.customer_id = 'acme'"
        " and a.customer_id = 'acme' and l.seq = a.seq", "acme", "seq of the newest entry"),
    "entry_doubled": (
        "insert into drawdown.ledger_entry select (jsonb_populate_record(l, jsonb_build_object('seq', a.seq + 1,"
        " 'first_seq', a.seq + 1, 'last_seq', a.seq + 1))).* from drawdown.ledger_entry l, drawdown.account a"
        " where a.customer_id = 'acme' and l.customer_id = 'acme' and l.seq = a.seq", "acme", "seq of the newest entry"),
    "seq_with_a_gap": (
        "update drawdown.ledger_entry set seq = seq + 1, first_seq = first_seq + 1, last_seq = last_seq + 1"
        " where customer_id = 'other';" + A + "seq = 2 where customer_id = 'other'", "other", "entries 1 to 1"),
    "balance_changed": (A + "balance = balance + 1" + ACME, "acme", "balance, by the entries"),
    "granted_changed": (A + "granted = granted + 1" + ACME, "acme", "granted, by the entries"),
    "consumed_changed": (A + "consumed = consumed - 1" + ACME, "acme", "consumed, by the entries"),
    "held_changed": (A + "held = held + 1" + ACME, "acme", "held: sum of the open holds"),
    "remainder_changed": (
        A + "open_grants = replace(open_grants::text, '\"remaining\":\"8\"', '\"remaining\":\"7\"')::json"
        " where customer_id = 'other'", "other", "grant mine: remaining, by its entries"),
    "open_grant_lost": (A + "open_grants = '[]' where customer_id = 'other'", "other", "grant mine: its place"),
    "open_grants_unreadable": (A + "open_grants = '[1]' where customer_id = 'other'", "other", "open_grants"),
    "chain_broken": (
        E + "balance_before = balance_before + 1, balance_after = balance_after + 1" + ACME + " and seq = 3", "acme",
        "entry 3: balance_before"),
    "grant_chain_broken": (
        E + "grant_remaining = grant_remaining + 1" + USE + " and seq = 5", "acme", "entry 5: what is left of grant"),
    "grant_of_an_entry_changed": (
        E + "grant_id = 'welcome'" + USE + " and seq = 5", "acme", "entry 5: what is left of grant welcome"),
    "event_torn": (E + "last_seq = 4" + USE + " and seq = 4", "acme", "entry 5: first_seq"),
    "time_going_back": (
        E + "recorded_at = recorded_at - interval '1 day'" + ACME + " and seq = 5", "acme", "entry 5: recorded_at"),
    "currencies_mixed": (E + "currency_id = 'gpu-hours'" + ACME + " and seq = 5", "acme", "account of rows in ledger_entry"),
    "currency_of_an_account_changed": (
        A + "currency_id = 'gpu-hours'" + ACME, "acme", "account of rows in ledger_entry"),
    "account_lost": ("delete from drawdown.account where customer_id = 'team'", "team", "account of rows in ledger_entry"),
    "last_account_lost": (
        "delete from drawdown.account where customer_id = 'void-held'", "void-held", "account of rows in ledger_entry"),
    "receipt_lost": ("delete from drawdown.receipt" + USE, "acme", "receipt of entries 4 to 5 (use)"),
    "receipt_of_an_advance_lost": (
        "delete from drawdown.receipt where customer_id = 'late' and idempotency_key = 'unknown'", "late",
        "receipt of entries 2 to 2 (of the advance in time)"),
    "receipt_range_too_long": (R + "range_last = range_last + 1" + USE, "acme", "receipt of entries 4 to 5 (use): range"),
    "receipt_range_beyond_the_ledger": (
        R + "range_last = range_last + 1000" + USE, "acme", "receipt use: entries in its range"),
    "receipt_own_entries_off": (R + "last_seq = 4" + USE, "acme", "receipt use: entries in its range that are not"),
    "receipt_amount_changed": (R + "applied_amount = 119, requested_amount = 119" + USE, "acme", "receipt use: applied amount"),
    "receipt_made_rejected": (
        R + "outcome = 5, code = 'insufficient_credits', applied_amount = 0, first_seq = null, last_seq = null" + USE,
        "acme", "receipt use: entries in its range that are not"),
    "receipt_source_changed": (R + "source_offset = source_offset + 1" + USE, "acme", "(use): source"),
    "receipt_key_changed": (R + "idempotency_key = 'other'" + USE, "acme", "receipt other: key_hash"),
    "receipt_without_entries": (
        R + "range_first = 900, range_last = 900, first_seq = 900, last_seq = 900" + USE, "acme",
        "receipt use: entries in its range, 900 to 900"),
    "entry_source_changed": (E + "source_offset = source_offset + 1" + USE + " and seq = 5", "acme", "entry 5: source"),
    "entry_key_changed": (E + "idempotency_key = 'other'" + USE + " and seq = 5", "acme", "entry 5: key"),
    "transfer_lost": ("delete from drawdown.transfer where customer_id = 'broke'", "broke", "row in transfer"),
    "transfer_added": (
        "insert into drawdown.transfer select (jsonb_populate_record(t, jsonb_build_object('seq', seq + 1))).*"
        " from drawdown.transfer t", "broke", "transfers, by the entries"),
    "transfer_amount_changed": (
        "update drawdown.transfer set amount = amount + 1 where customer_id = 'broke'", "broke", "row in transfer"),
    "reversal_changed": (
        "update drawdown.reversal set reversed = reversed + 1" + ACME, "acme", "reversed, by the entries"),
    "reversal_of_too_much": (
        "update drawdown.reversal set reversed = 121" + ACME, "acme", "reversed of the consumption at seq 4"),
    "hold_amount_changed": ("update drawdown.hold set amount = amount + 1 where state = 0" + ACME.replace("where", "and"),
        "acme", "hold hold-1: sum of its parts"),
    "hold_lost": ("delete from drawdown.hold where state = 0" + ACME.replace("where", "and"), "acme",
        "held: sum of the open holds"),
    "hold_closed": ("update drawdown.hold set state = 2, closed_at = expires_at where state = 0"
        + ACME.replace("where", "and"), "acme", "held: sum of the open holds"),
    "hold_of_another_grant": (
        "update drawdown.hold set parts = replace(parts::text, 'paid', 'welcome')::json where state = 0"
        + ACME.replace("where", "and"), "acme", "grant welcome: what holds keep of it"),
    "grant_row_lost": ("delete from drawdown.credit_grant where customer_id = 'other'", "other", "its row in credit_grant"),
    "grant_row_of_an_ended_grant_lost": (
        "delete from drawdown.credit_grant" + ACME + " and grant_id = 'short'", "acme", "entry 3: grant of that amount"),
    "grant_ended_and_open": (
        "update drawdown.credit_grant set end_kind = 1, ended_at = created_at where customer_id = 'other'", "other",
        "grant mine: how it ended"),
    "grant_amount_changed": (
        "update drawdown.credit_grant set amount = amount + 1 where customer_id = 'other'", "other",
        "entry 1: grant of that amount"),
    "grant_terms_changed": (
        "update drawdown.credit_grant set priority = 5 where customer_id = 'other'", "other", "grant mine: its terms"),
    "grants_made_changed": (A + "grants_made = grants_made + 1" + ACME, "acme", "grants made"),
    "due_time_lost": ("delete from drawdown.due where customer_id = 'team'", "team", "due_at"),
    "due_time_too_late": (
        "update drawdown.due set due_at = due_at + interval '1 day' where customer_id = 'team'", "team", "due_at"),
    "not_a_number": (A + "held = 'NaN' where customer_id = 'other'", "other", "an amount"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_in_the_database_is_found_and_named(sound, damage, name):
    statement, customer, what = DAMAGE[name]
    with damage(*statement.split(";")) as copy:
        code, report = verify(sound, *copy, "--limit", "100")
    found = [(one["customerId"], one["what"]) for one in report["differences"]]
    assert code == 3 and report["sound"] is False
    assert any(who == customer and what in text for who, text in found), found
    assert {who for who, _ in found} == {customer}, "others are sound"


def test_the_list_of_differences_is_cut_but_all_are_counted(sound, damage):
    with damage(A + "granted = granted + 1") as copy:
        code, report = verify(sound, *copy, "--limit", "3")
        done = sound.run("verify", *copy, "--limit", "3", check=False)
    assert code == 3 and len(report["differences"]) == 3 and report["differencesCount"] > 6
    assert done.returncode == 3 and "\nand " in done.stdout and "differences\n" in done.stdout


AGAIN = """
    insert into drawdown.receipt select (jsonb_populate_record(r, jsonb_build_object(
        'source_timestamp', source_timestamp - interval '31 days', 'range_first', null, 'range_last', null,
        'first_seq', null, 'last_seq', null, 'kind', 6))).* from drawdown.receipt r""" + USE


def test_a_key_has_one_receipt_within_the_window(sound, damage):
    with damage(f"select drawdown.make_receipt_generation('{(START - timedelta(days=31)).isoformat()}')", AGAIN) as copy:
        assert verify(sound, *copy)[0] == 0, "it may be used again behind the window"
        code, report = verify(sound, *copy, "--set", "dedupe.window=32d")
    assert (code, [one["what"] for one in report["differences"]]) == (3, ["receipt use"])


def test_receipts_that_were_dropped_are_not_missed(sound, damage):
    boundary = (START + 1.5 * HOUR).isoformat()
    dropped = f"delete from drawdown.receipt where source_timestamp < '{boundary}'"
    with damage(dropped, f"update drawdown.setting set receipts_from = '{boundary}'") as copy:
        code, report = verify(sound, *copy)
    assert (code, report["differences"]) == (0, [])
    assert datetime.fromisoformat(report["receiptsFrom"]) == START + 1.5 * HOUR
    with damage(dropped) as copy:
        assert verify(sound, *copy)[0] == 3


def test_what_cannot_be_reached_is_no_verdict(sound):
    done = sound.run("verify", "--set", "database.url=postgresql://127.0.0.1:1/none", check=False)
    assert done.returncode == 2 and "could not connect" in done.stderr
    done = sound.run("verify", "--topic", "--set", "topics.ledger=no-such-topic", check=False)
    assert done.returncode == 2 and "topic no-such-topic does not exist" in done.stderr
    assert sound.run("verify", "--customer", "a b", check=False).returncode == 1


def test_it_runs_while_workers_write(drawdown):
    drawdown.worker().start()
    drawdown.run("load", "--customers", "20", "--count", "2000", "--grant", "1000", "--format", "json")
    is_enough = Event()

    def load():
        for seed in itertools.takewhile(lambda _: not is_enough.is_set(), itertools.count(7)):
            drawdown.run("load", "--customers", "20", "--rate", "1500", "--duration", "1s", "--seed", str(seed))

    thread = Thread(target=load)
    thread.start()
    try:
        for _ in range(8):
            code, report = verify(drawdown, "--topic")
            assert (code, report["differences"]) == (0, [])
            assert thread.is_alive()
    finally:
        is_enough.set()
        thread.join()
    drawdown.wait_for_lag_zero()
    code, report = verify(drawdown, "--topic")
    assert code == 0 and report["topic"]["notYetPublished"] == 0
    assert report["topic"]["messages"] == report["entries"] == drawdown.books.count()


# ---- the ledger topic ----


@pytest.fixture(params=["avro", "json"])
def published(request, install):
    """An installation with a few entries, and rewrite(change): another ledger topic, its records changed."""
    drawdown = install({"outputs.format": request.param})
    drawdown.worker().start()
    for number in range(3):
        drawdown.client.produce("commands", grant(f"c{number}", 100, f"grant-{number}"))
    for number in range(9):
        drawdown.client.produce(
            "commands",
            consume(f"c{number % 3}", number + 1, f"use-{number}", dimensions={"model": "x", "tokens": 1e3}),
            headers=[("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        )
    drawdown.wait_for_lag_zero()

    def rewrite(change):
        topic = f"{drawdown.prefix}ledger-{next(copies)}"
        drawdown.run("topics", "create", "--set", f"topics.ledger={topic}")
        producer = Producer({"bootstrap.servers": drawdown.client.bootstrap})
        for record in change(drawdown.client.read("ledger")):
            producer.produce(
                topic, key=record.key, value=record.raw, partition=record.partition, headers=record.header_list
            )
        assert producer.flush(60) == 0
        return verify(drawdown, "--topic", "--set", f"topics.ledger={topic}", "--wait", "60s")

    drawdown.rewrite = rewrite
    return drawdown


def of(records, customer, seq):
    return next(i for i, one in enumerate(records) if (one.value["customerId"], one.value["seq"]) == (customer, seq))


def whats(report):
    return [(one["customerId"], one["what"].split(" (")[0]) for one in report["differences"]]


def test_the_topic_is_compared_entry_by_entry(published):
    code, report = published.rewrite(lambda records: records)
    assert (code, report["differences"]) == (0, [])
    assert report["topic"] == {"messages": 12, "takenByRetention": 0, "notYetPublished": 0}

    def lose(records):
        del records[of(records, "c1", 2)]
        return records

    code, report = published.rewrite(lose)
    assert (code, whats(report)) == (3, [("c1", "topic, entries 2 to 2")])

    def lose_newest(records):
        del records[of(records, "c2", 4)]
        return records

    code, report = published.rewrite(lose_newest)
    assert (code, whats(report)) == (3, [("c2", "topic, entries 4 to 4")])

    code, report = published.rewrite(lambda records: [one for one in records if one.value["customerId"] != "c0"])
    assert (code, whats(report)) == (3, [("c0", "topic, entries 1 to 4")])

    def double(records):
        at = of(records, "c1", 3)
        return records[: at + 1] + records[at:]

    code, report = published.rewrite(double)
    assert code == 3 and len(report["differences"]) == 1
    assert "doubled or out of order" in report["differences"][0]["what"]
    assert (report["differences"][0]["expected"], report["differences"][0]["found"]) == ("4", "3")

    def swap(records):
        one, other = of(records, "c1", 2), of(records, "c1", 3)
        records[one], records[other] = records[other], records[one]
        return records

    code, report = published.rewrite(swap)
    assert code == 3 and {who for who, _ in whats(report)} == {"c1"}

    def rename(records):
        records[of(records, "c1", 3)].key = "c9"
        return records

    code, report = published.rewrite(rename)
    assert (code, whats(report)) == (3, [("c1", "topic, entry 3: key of the message")])

    def untrace(records):
        records[of(records, "c1", 3)].header_list = []
        return records

    code, report = published.rewrite(untrace)
    assert (code, whats(report)) == (3, [("c1", "topic, entry 3: header traceparent")])

    def spoil(records):
        records[of(records, "c1", 4)].raw = b"\xc3\x01spoilt"
        return records

    code, report = published.rewrite(spoil)
    assert code == 3 and ("c1", "topic, entries 4 to 4") in whats(report) and len(report["differences"]) == 2


def test_each_field_of_an_altered_message_is_named(published):
    where = " where customer_id = 'c1' and seq = 2"
    statements = {
        "amount": "amount = amount - 1",
        "grantRemaining": "grant_remaining = grant_remaining + 1",
        "balanceBefore": "balance_before = balance_before + 1",
        "balanceAfter": "balance_after = balance_after + 1",
        "eventType": "event_type = 4",
        "grantId": "grant_id = 'another'",
        "idempotencyKey": "idempotency_key = 'another'",
        "requestedAmount": "requested_amount = null",
        "firstSeq": "first_seq = 1",
        "lastSeq": "last_seq = 9",
        "outcome": "outcome = 2",
        "eventTime": "event_time = event_time - interval '1 microsecond'",
        "recordedAt": "recorded_at = recorded_at + interval '1 microsecond'",
        "dimensions": "dimensions = null",
        "dimensions.model": """dimensions = '{"model":"y","tokens":1000}'""",
        "dimensions of the row": "dimensions = '[1]'",
        "source.topic": "source_topic = 'another'",
        "source.partition": "source_partition = source_partition + 1",
        "source.offset": "source_offset = source_offset + 1",
    }
    with psycopg.connect(published.owner_url) as owner:
        owner.execute(DROP_CHECKS)
    for field, assignment in statements.items():
        with psycopg.connect(published.owner_url) as owner:
            owner.execute(f"create table kept as select * from drawdown.ledger_entry{where}")
            assert owner.execute(f"update drawdown.ledger_entry set {assignment}{where}").rowcount == 1
        _, report = verify(published, "--topic", "--limit", "1000")
        if field == "dimensions of the row":
            assert whats(report) == [("c1", "entry 2: dimensions")]
        else:
            named = [what for who, what in whats(report) if what.startswith("topic, ")]
            assert named == [f"topic, entry 2: {field}"], field
        with psycopg.connect(published.owner_url) as owner:
            owner.execute(f"delete from drawdown.ledger_entry{where}")
            owner.execute("insert into drawdown.ledger_entry table kept")
            owner.execute("drop table kept")


def test_an_entry_that_only_the_topic_has_is_found(published):
    with psycopg.connect(published.owner_url) as owner:
        owner.execute("delete from drawdown.ledger_entry where customer_id = 'c1' and seq = 4")
    _, report = verify(published, "--topic")
    assert ("c1", "topic, entry 4") in whats(report)


def test_what_retention_took_is_counted(published):
    begins = {("ledger", partition): min(2, end) for partition, end in published.client.ends("ledger").items() if end}
    published.client.delete_records(begins)
    code, report = verify(published, "--topic")
    assert (code, report["differences"]) == (0, [])
    taken = report["topic"]["takenByRetention"]
    assert 0 < taken <= sum(begins.values()) and report["topic"]["messages"] == 12 - taken


def test_what_is_committed_but_not_published_is_told_apart(published):
    """As if the worker were between its two commits: the group's offsets stand before the newest input."""
    assert published.workers[0].terminate() == 0
    newest = max(published.books.entries(), key=lambda entry: entry["recordedAt"])
    where = (newest["source"]["topic"].removeprefix(published.prefix), newest["source"]["partition"])

    def members_gone():
        return published.client.members(published.group) == set()

    wait_until(members_gone, "the group to be empty")
    published.client.set_offsets(published.group, {where: newest["source"]["offset"]})
    seq = newest["seq"]

    def without_newest(records):
        del records[of(records, newest["customerId"], seq)]
        return records

    code, report = published.rewrite(without_newest)
    assert (code, report["differences"]) == (0, [])
    assert report["topic"]["notYetPublished"] == newest["lastSeq"] - newest["firstSeq"] + 1


def test_an_open_transaction_is_waited_for(published):
    producer = Producer({"bootstrap.servers": published.client.bootstrap, "transactional.id": f"{published.prefix}open"})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(f"{published.prefix}ledger", key="c0", value=b"{}", partition=0)
    assert producer.flush(60) == 0
    done = published.run("verify", "--topic", "--wait", "1s", check=False)
    assert done.returncode == 2 and "shows readers nothing from offset" in done.stderr
    producer.abort_transaction(60)
    assert verify(published, "--topic")[0] == 0
