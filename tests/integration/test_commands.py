"""The command line: what it prints, in words and in JSON, and how it ends.

Method: the program is run as a person or a script would, beside a running worker; what it says is held against the
books and against what the independent client reads.
"""

import json
import subprocess
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from support.client import decode
from support.events import CURRENCY, consume, grant
from support.wait import wait_until
from support.worker import DRAWDOWN, free_port

REFUSED, FAILED, DIFFERENCE, REJECTED, TIMEOUT, RIGHTS = 1, 2, 3, 4, 5, 12  # exit codes
COMMANDS = (
    "worker migrate topics grant consume void confirm-payment reverse reserve settle extend release configure currency "
    "entitlement ledger load tail dead-letters config"
).split()


def parse(text):
    """One JSON object a line, numbers exact."""
    return [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in text.splitlines()]


@pytest.fixture
def running(drawdown):
    drawdown.worker().start()
    return drawdown


def test_grant_consume_and_void_wait_for_their_outcome_and_print_it(running):
    words = running.run("grant", "acme", CURRENCY, "10", "--type", "PAID", "--key", "give").stdout
    assert words == "applied\n  CREDITS_GRANTED 10 on grant grant/give, balance 10 (seq 1)\nkey give\n"
    (said,) = parse(running.run("consume", "acme", CURRENCY, "12.5", "--json", "--dimension", "model=x").stdout)
    assert said["outcome"] == "applied"
    assert [(e["grantId"].split("/")[0], e["amount"], e["balanceAfter"]) for e in said["entries"]] == [
        ("grant", -10, 0),
        ("overdraft:ai-tokens", Decimal("-2.5"), Decimal("-2.5")),
    ]
    messages = [record.raw for record in running.client.read("ledger")]
    assert [entry["entryId"] for entry in said["entries"]] == [decode(raw)["entryId"] for raw in messages[1:]]
    (source,) = running.client.read("usage")
    assert said["source"] == {"topic": source.topic, "partition": source.partition, "offset": source.offset}
    assert source.value["dimensions"] == {"model": "x"} and source.value["idempotencyKey"] == said["idempotencyKey"]

    running.run("grant", "acme", CURRENCY, "5", "--type", "PROMOTIONAL", "--grant-id", "promo")
    words = running.run("void", "acme", CURRENCY, "promo", "--key", "take", "--comment", "a mistake").stdout
    assert words == "applied\n  CREDITS_VOIDED -2.5 on grant promo, balance 0 (seq 7)\nkey take\n"
    running.audit()


def test_a_grant_has_all_that_the_command_line_said(running):
    running.run(
        *("grant", "acme", CURRENCY, "100.000000000001", "--type", "PROMOTIONAL", "--key", "k", "--grant-id", "welcome"),
        *("--resource", "team-1", "--priority", "-3", "--effective-at", "2026-01-01T00:00:00Z"),
        *("--expire-at", "2031-01-01T02:00:00+02:00", "--display-name", "Welcome", "--comment", "hello"),
        *("--cost", "9.99:EUR", "--metadata", "campaign=x", "--metadata", "n=1"),
    )
    (row,) = running.books.query("select * from drawdown.grants")
    assert row["grant_id"] == "welcome" and row["grant_type"] == "PROMOTIONAL" and row["status"] == "ACTIVE"
    assert row["amount"] == row["remaining"] == Decimal("100.000000000001")
    assert (row["resource_id"], row["priority"], row["display_name"]) == ("team-1", -3, "Welcome")
    assert (row["cost_amount"], row["cost_currency"], row["comment"]) == (Decimal("9.99"), "EUR", "hello")
    assert row["effective_at"] == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert row["expire_at"] == datetime(2031, 1, 1, tzinfo=timezone.utc)
    assert row["metadata"]["campaign"] == "x" and set(row["metadata"]) == {"campaign", "n"}
    running.audit()


def test_the_exit_code_says_what_became_of_the_input(running):
    give = ("grant", "acme", CURRENCY, "10", "--type", "PAID", "--key", "give")
    assert running.run(*give).returncode == 0
    again = running.run(*give, "--json")
    assert (again.returncode, parse(again.stdout)[0]["outcome"]) == (0, "duplicate")
    other = running.run(*give[:3], "11", *give[4:], "--json", check=False)
    assert (other.returncode, parse(other.stdout)[0]["outcome"]) == (REJECTED, "conflict")
    stranger = running.run("consume", "zeta", CURRENCY, "1", "--key", "k", check=False)
    assert (stranger.returncode, stranger.stdout) == (REJECTED, "rejected: unknown_currency\nkey k\n")
    unknown = running.run("void", "acme", CURRENCY, "no-such", "--json", check=False)
    assert (unknown.returncode, parse(unknown.stdout)[0]["answer"]["code"]) == (REJECTED, "unknown_grant")
    old = running.run("consume", "acme", CURRENCY, "1", "--created-at", "2020-01-01T00:00:00Z", check=False)
    assert (old.returncode, old.stdout.splitlines()[0]) == (REJECTED, "rejected: too_old")
    running.audit()


def test_without_a_worker_a_command_says_that_no_outcome_came_and_the_key_to_ask_again(drawdown):
    use = ("consume", "acme", CURRENCY, "1", "--key", "mine")
    drawdown.run("grant", "acme", CURRENCY, "10", "--type", "PAID", "--no-wait")
    done = drawdown.run(*use, "--timeout", "5s", check=False)
    assert done.returncode == TIMEOUT and "--key mine" in done.stderr
    (produced,) = parse(drawdown.run(*use, "--no-wait", "--json").stdout)
    assert (produced["outcome"], produced["idempotencyKey"]) == ("produced", "mine")
    drawdown.worker().start()
    (said,) = parse(drawdown.run(*use, "--json").stdout)
    assert said["outcome"] == "duplicate"
    assert drawdown.books.balance("acme", CURRENCY) == 9
    drawdown.audit()


def test_a_wrong_command_line_is_refused_before_anything_is_produced(drawdown):
    give = ("grant", "acme", CURRENCY)
    cases = (
        (*give, "10"),
        (*give, "10", "--type", "FREE"),
        (*give, "0", "--type", "PAID"),
        (*give, "0.0000000000001", "--type", "PAID"),
        (*give, "ten", "--type", "PAID"),
        (*give, "10", "--type", "PAID", "--expire-at", "tomorrow"),
        (*give, "10", "--type", "PAID", "--colour", "red"),
        ("grant", "ac/me", CURRENCY, "10", "--type", "PAID"),
        ("consume", "acme", CURRENCY),
        ("consume", "acme", CURRENCY, "1", "2"),
        ("consume", "acme", CURRENCY, "1", "--timeout", "5"),
        (*give, "10", "--type", "PAID", "--await-payment=yes"),
        ("confirm-payment", "acme", CURRENCY),
        ("void", "acme", CURRENCY, "g", "1"),
        ("reverse", "acme", CURRENCY),
        ("reverse", "acme", CURRENCY, "req-1", "0"),
        ("reverse", "acme", CURRENCY, "req-1", "1", "--comment", "x"),
        ("reserve", "acme", CURRENCY, "job"),
        ("reserve", "acme", CURRENCY, "job", "0"),
        ("reserve", "acme", CURRENCY, "job", "1", "--ttl", "10"),
        ("reserve", "acme", CURRENCY, "job", "1", "--ttl", "1500ms"),
        ("reserve", "acme", CURRENCY, "job", "1", "--ttl", "1min", "--expires-at", "2031-01-01T00:00:00Z"),
        ("settle", "acme", CURRENCY, "job"),
        ("settle", "acme", CURRENCY, "job", "-1"),
        ("extend", "acme", CURRENCY, "job"),
        ("release", "acme", CURRENCY),
        ("configure", "acme", CURRENCY, "--over-limit", "forbid"),
        ("configure", "acme", CURRENCY, "--overdraft-limit", "-1"),
        ("configure", "acme", CURRENCY, "--overdraft-limit", "none"),
        ("configure", "acme", CURRENCY, "--threshold", "101%"),
        ("configure", "acme", CURRENCY, "--threshold", "5", "--threshold", "5.0"),
        ("configure", "acme", CURRENCY, "--threshold", "5", "--no-thresholds"),
        ("configure", "acme", CURRENCY, "--hysteresis", "5"),
        ("entitlement", "acme"),
        ("entitlement", "acme", CURRENCY, "--requested", "0"),
        ("topics", "destroy"),
        ("load", "--duplicates", "2"),
        ("teleport",),
    )
    for arguments, done in zip(cases, drawdown.run_all(*cases)):
        assert done.returncode == REFUSED and done.stderr.startswith(("drawdown", "usage")), (arguments, done)
        assert done.stdout == "", arguments
    assert sum(drawdown.client.ends("commands").values()) == sum(drawdown.client.ends("usage").values()) == 0


def test_servers_that_cannot_be_reached_are_a_failure_of_their_own(drawdown):
    nowhere = f"127.0.0.1:{free_port()}"
    cases = (
        ("topics", "create", "--set", f"kafka.bootstrap.servers={nowhere}"),
        ("entitlement", "acme", CURRENCY, "--set", f"database.url=postgresql://x@{nowhere}/x"),
        ("ledger", "acme", "--set", f"database.url=postgresql://x@{nowhere}/x"),
        ("migrate", "--set", f"database.url=postgresql://x@{nowhere}/x"),
    )
    for arguments, done in zip(cases, drawdown.run_all(*cases)):
        assert done.returncode == FAILED and done.stderr, arguments


def test_every_command_explains_itself(drawdown):
    for command in COMMANDS:
        done = subprocess.run([DRAWDOWN, command, "--help"], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.startswith(f"usage: drawdown {command}") and not done.stderr
        assert "exit codes:" in done.stdout
    done = subprocess.run([DRAWDOWN, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and all(f"  {command} " in done.stdout for command in COMMANDS)


def test_entitlement_and_ledger_show_the_books(running):
    for event in (grant("acme", 10), grant("acme", 5, resourceId="team-1"), consume("acme", "2.5"), consume("acme", 3)):
        running.client.produce("commands", event)
    running.wait_for_lag_zero()
    words = running.run("entitlement", "acme", CURRENCY).stdout.splitlines()
    assert words[0].split() == "GRANTED? REASON SPENDABLE BALANCE HELD GRANTED CONSUMED OVER LIMIT UNTIL INCLUDES".split()
    assert words[1].split()[:9] == ["yes", "-", "4.5", "4.5", "0", "10", "5.5", "allow", "-"]
    assert running.run("entitlement", "acme", CURRENCY, "--requested", "4.5").returncode == 0
    done = running.run("entitlement", "acme", CURRENCY, "--requested", "4.500000000001", "--json", check=False)
    (said,) = parse(done.stdout)
    assert done.returncode == DIFFERENCE and said["requestedAmount"] == Decimal("4.500000000001")
    assert (said["overLimit"], said["overdraftLimit"], said["nextChangeAt"]) == ("allow", None, None)
    assert (said["isGranted"], said["reason"], said["spendable"]) == (False, "insufficient_credits", Decimal("4.5"))
    (said,) = parse(running.run("entitlement", "acme", CURRENCY, "--resource", "team-1", "--json").stdout)
    assert (said["isGranted"], said["reason"], said["balance"]) == (True, None, 5)
    (said,) = parse(running.run("entitlement", "nobody", CURRENCY, "--json").stdout)
    assert (said["isGranted"], said["reason"]) == (False, "unknown_account")

    said = parse(running.run("ledger", "acme", "--json").stdout)
    published = {record.value["entryId"]: record.value for record in running.client.read("ledger")}
    assert len(said) == len(published) == 4
    for entry in said:
        for name, value in published[entry["entryId"]].items():
            value = value.replace(tzinfo=timezone.utc) if isinstance(value, datetime) else value
            shown = datetime.fromisoformat(entry[name]) if isinstance(value, datetime) else entry[name]
            assert shown == value, (entry["entryId"], name)
    assert len(running.run("ledger", "acme", CURRENCY, "--limit", "2").stdout.splitlines()) == 3
    (only,) = parse(running.run("ledger", "acme", CURRENCY, "--resource", "team-1", "--json").stdout)
    assert only["resourceId"] == "team-1"


def test_every_kind_of_event_has_its_command(running):
    def say(*arguments, check=True):
        (said,) = parse(running.run(*arguments, "--json", check=check).stdout)
        answer = said.get("answer") or {"outcome": said["outcome"], "code": None}
        return answer["outcome"], answer["code"], [(e["eventType"], e["amount"]) for e in said["entries"]]

    acme = ("acme", CURRENCY)
    assert say("grant", *acme, "50", "--type", "PAID", "--grant-id", "g", "--await-payment") == ("applied", None, [])
    assert running.books.query("select status from drawdown.grants")[0]["status"] == "PAYMENT_PENDING"
    assert say("confirm-payment", *acme, "g") == ("applied", None, [("CREDITS_GRANTED", 50)])
    assert say("confirm-payment", *acme, "g", check=False) == ("rejected", "grant_not_pending", [])
    use = say("consume", *acme, "10", "--key", "use")
    assert use == ("applied", None, [("CREDITS_CONSUMED", -10)])
    assert say("reverse", *acme, "use", "4.5") == ("applied", None, [("CREDITS_REVERSED", Decimal("4.5"))])
    assert say("reverse", *acme, "use") == ("applied", None, [("CREDITS_REVERSED", Decimal("5.5"))])
    assert say("reverse", *acme, "other", check=False)[1] == "unknown_key"

    assert say("reserve", *acme, "job-1", "20", "--ttl", "2h") == ("applied", None, [])
    (hold,) = running.books.query("select * from drawdown.holds")
    assert (hold["amount"], hold["state"]) == (20, "OPEN")
    assert (hold["expires_at"] - hold["created_at"]).total_seconds() == 7200
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=5)
    assert say("extend", *acme, "job-1", "--expires-at", end.isoformat())[0] == "applied"
    assert running.books.query("select expires_at from drawdown.holds")[0]["expires_at"] == end
    assert say("reserve", *acme, "job-2", "1", "--ttl", "25h", check=False)[1] == "invalid_ttl"
    assert say("settle", *acme, "job-1", "15") == ("applied", None, [("CREDITS_CONSUMED", -15)])
    assert say("settle", *acme, "job-1", "15", check=False)[1] == "reservation_closed"
    assert say("reserve", *acme, "job-3", "1")[0] == say("release", *acme, "job-3")[0] == "applied"
    assert say("release", *acme, "job-4", check=False)[1] == "unknown_reservation"

    settings = ("--over-limit", "cap", "--overdraft-limit", "0", "--threshold", "5", "--threshold", "50%")
    assert say("configure", *acme, *settings, "--hysteresis", "0")[0] == "applied"
    (account,) = running.books.query("select * from drawdown.accounts")
    assert (account["over_limit"], account["overdraft_limit"], account["balance"]) == ("cap", 0, 35)
    assert [level.get("percent") for level in account["thresholds"]] == [None, 50]
    assert say("consume", *acme, "36")[0] == "partial"
    assert say("configure", *acme)[0] == "applied"
    assert running.books.query("select overrides from drawdown.accounts")[0]["overrides"] is None
    topics = {record.value["type"]: record.topic for name in ("usage", "commands") for record in running.client.read(name)}
    usage = {kind for kind, topic in topics.items() if topic.endswith("usage")}
    assert usage == {"consume", "reserve", "settle", "extend", "release"}
    running.check_books()


def test_currencies_are_set_by_who_may_and_the_workers_go_by_it(running):
    def table(*arguments):
        return [json.loads(line) for line in running.run("currency", *arguments, "--json").stdout.splitlines()]

    def set_currency(*arguments, check=True):
        done = running.run("currency", "set", *arguments, check=check, DRAWDOWN_DATABASE_URL=running.owner_url)
        return done.returncode, done.stderr

    assert table("list") == []
    done = running.run("currency", "set", CURRENCY, "--over-limit", "cap", check=False)
    assert done.returncode == RIGHTS and "permission denied" in done.stderr and "drawdown_operator" in done.stderr
    set_currency(CURRENCY, "--over-limit", "reject", "--grace", "90min", "--threshold", "7.5", "--threshold", "20%")
    first = dict(currencyId=CURRENCY, displayName=None, units=None, grace="90min", overLimit="reject", overdraftLimit=None)
    first["thresholds"] = [{"amount": "7.5", "hysteresis": 10}, {"percent": 20, "hysteresis": 10}]
    assert table("list") == table("list", CURRENCY) == [first]
    running.run("grant", "acme", CURRENCY, "10", "--type", "PAID")
    refused = running.run("consume", "acme", CURRENCY, "11", check=False)
    assert refused.returncode == REJECTED and "insufficient_credits" in refused.stdout

    set_currency(CURRENCY, "--over-limit", "allow", "--overdraft-limit", "2.5", "--display-name", "Tokens", "--units", "t")
    second = first | dict(overLimit="allow", overdraftLimit=2.5, displayName="Tokens", units="t")
    assert table("list") == [second], "what was not given has changed"
    assert running.run("consume", "acme", CURRENCY, "12.5").stdout.startswith("applied")
    set_currency(CURRENCY, "--overdraft-limit", "none", "--units", "", "--no-thresholds", "--grace", "0")
    set_currency("credits", "--threshold", "1", "--hysteresis", "0")
    plain = dict(displayName=None, units=None, grace="0", overLimit="allow", overdraftLimit=None)
    third = second | plain | dict(displayName="Tokens", thresholds=[])
    other = plain | dict(currencyId="credits", thresholds=[{"amount": "1", "hysteresis": 0}])
    assert table("list") == [third, other]
    words = running.run("currency", "list").stdout.splitlines()
    assert words[1].split() == [CURRENCY, "allow", "-", "0", "-", "Tokens", "-"]
    assert words[2].split() == ["credits", "allow", "-", "0", "1", "(0%)", "-", "-"]

    wrong = (
        ("ai@tokens", "--over-limit", "cap"),
        ("x", "--over-limit", "forbid"),
        ("x", "--overdraft-limit", "-1"),
        ("x", "--overdraft-limit", "much"),
        ("x", "--grace", "4000d"),
        ("x", "--threshold", "0"),
        ("x", "--threshold", "120%"),
        ("x", "--threshold", "5", "--threshold", "5.0"),
        ("x", *(f"--threshold={level}" for level in range(1, 18))),
        ("x", "--hysteresis", "5"),
        ("x", "--display-name", "a\nb"),
    )
    for arguments in wrong:
        code, said = set_currency(*arguments, check=False)
        assert code == REFUSED and said.startswith("drawdown currency: "), (arguments, said)
    assert running.run("currency", "list", "--over-limit", "cap", check=False).returncode == REFUSED
    assert table("list", "x") == []


def test_tail_prints_what_the_topic_holds_and_then_what_comes(running):
    for event in (grant("acme", 10), grant("zeta", 5), consume("acme", "1.000000000001", dimensions={"n": 1})):
        running.client.produce("commands", event)
    running.client.produce("commands", b"not JSON", key="acme")
    running.wait_for_lag_zero()
    lines = parse(running.run("tail", "ledger", "--from-beginning", "--no-follow").stdout)
    records = {(r.partition, r.offset): r for r in running.client.read("ledger")}
    assert {(line["partition"], line["offset"]) for line in lines} == records.keys()
    for line in lines:
        record = records[line["partition"], line["offset"]]
        assert line["key"] == record.key
        assert line["value"]["amount"] == record.value["amount"]
        assert line["value"]["dimensions"] == record.value["dimensions"]
        assert datetime.fromisoformat(line["value"]["recordedAt"]) == record.value["recordedAt"]
    only = parse(running.run("tail", "ledger", "--from-beginning", "--no-follow", "--customer", "zeta").stdout)
    assert [line["value"]["customerId"] for line in only] == ["zeta"]
    (letter,) = parse(running.run("tail", "dead-letters", "--from-beginning", "--no-follow").stdout)
    assert "malformed_json" in json.dumps(letter, default=str)

    follower = subprocess.Popen(
        [DRAWDOWN, "tail", "ledger", "--count", "1", "--config", running.config], stdout=subprocess.PIPE, text=True
    )

    def has_ended():
        running.client.produce("usage", consume("acme", "0.5"))
        running.wait_for_lag_zero()
        return follower.poll() is not None

    wait_until(has_ended, "the follower to print one record and end")
    (line,) = parse(follower.communicate()[0])
    assert follower.returncode == 0 and line["value"]["amount"] == Decimal("-0.5")


def test_load_produces_what_it_says_and_the_same_again_for_the_same_seed(running):
    arguments = ("load", "--customers", "20", "--count", "600", "--grant", "50", "--duplicates", "0.2", "--seed", "7")
    (said,) = parse(running.run(*arguments, "--json").stdout)
    running.wait_for_lag_zero()
    usage, commands = running.client.read("usage"), running.client.read("commands")
    keys = {(r.value["customerId"], r.value["idempotencyKey"]) for r in usage}
    assert (said["events"], said["grants"], said["seed"]) == (len(usage), len(commands), 7) == (600, 20, 7)
    assert len(keys) == 600 - said["duplicates"] and 60 < said["duplicates"] < 180
    entries = running.books.entries()
    running.run(*arguments)
    running.wait_for_lag_zero()
    assert running.books.entries() == entries, "the same seed has made other events"
    outcomes = {r.value["outcome"] for r in running.client.read("outcomes")}
    assert outcomes == {"duplicate"}
    words = running.run("load", "--customers", "5", "--count", "40", "--rate", "100", "--format", "json").stdout
    assert words.startswith("40 events")
    running.wait_for_lag_zero()
    running.audit()


def test_load_streams_a_trace_with_its_times_shifted_to_now(running):
    trace = running.directory / "trace.csv"
    trace.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n"
        "2023-11-16 18:15:50.9951690,396,109\n"
        "2023-11-16 18:16:46.6805901,0,1\n"
    )
    before = datetime.now(timezone.utc)
    running.run("load", "--csv", trace, "--grant", "100")
    running.wait_for_lag_zero()
    usage = {r.value["idempotencyKey"]: r.value for r in running.client.read("usage")}
    assert set(usage) == {"trace:0", "trace:1", "trace:2"}
    assert [usage[f"trace:{n}"]["customerId"] for n in range(3)] == ["acme-0", "acme-1", "acme-2"]
    assert [usage[f"trace:{n}"]["amount"] for n in range(3)] == [
        374 * Decimal("0.0000025") + 44 * Decimal("0.00001"),
        396 * Decimal("0.0000025") + 109 * Decimal("0.00001"),
        Decimal("0.00001"),
    ]
    times = [usage[f"trace:{n}"]["createdAt"] for n in range(3)]
    assert round((times[2] - times[0]).total_seconds(), 5) == 60
    assert abs((times[2] - before).total_seconds()) < 60
    assert running.books.balance("acme-2", CURRENCY) == Decimal("99.99999")
    running.audit()


def test_topics_are_made_once_and_a_difference_is_said_and_left_as_it_is(install):
    drawdown = install(topics=False)
    dry = drawdown.run("topics", "create", "--dry-run", "--json", check=False)
    assert dry.returncode == DIFFERENCE and {line["state"] for line in parse(dry.stdout)} == {"missing"}
    assert not any(name.startswith(drawdown.prefix) for name in drawdown.client.topics())
    made = parse(drawdown.run("topics", "create", "--json").stdout)
    names = "usage commands ledger balances outcomes notifications dead-letters".split()
    assert [(line["topic"], line["state"]) for line in made] == [(drawdown.prefix + n, "created") for n in names]
    assert {drawdown.client.topics()[drawdown.prefix + name] for name in names} == {4}
    for name in ("usage", "commands"):
        settings = drawdown.client.topic_settings(name)
        assert settings["message.timestamp.type"] == "LogAppendTime" and settings["cleanup.policy"] == "delete"
    assert drawdown.client.topic_settings("ledger")["retention.ms"] == "-1"

    again = drawdown.run("topics", "create", "--json")
    assert {line["state"] for line in parse(again.stdout)} == {"as planned"}
    drawdown.client.set_topic("balances", cleanup_policy="delete")
    differs = drawdown.run("topics", "create", check=False)
    assert differs.returncode == DIFFERENCE
    assert "cleanup.policy is delete, should be compact" in differs.stdout
    assert drawdown.client.topic_settings("balances")["cleanup.policy"] == "delete"


def test_configuration_can_be_checked_and_keeps_its_secrets(drawdown):
    done = drawdown.run("config", "check")
    assert f"group.id = {drawdown.group}\n" in done.stdout and "postgresql://" not in done.stdout
    path = drawdown.directory / "wrong.conf"
    good = drawdown.config.read_text()
    path.write_text(good + "batch.linger = soon\n")
    wrong = drawdown.run("config", "check", check=False, config=path)
    assert wrong.returncode == REFUSED and f"wrong.conf:{len(good.splitlines()) + 1}:" in wrong.stderr
