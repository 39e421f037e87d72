"""Idle accounts advance: what falls due is done by the sweeper alone, once, and not before its time.

Method: grants and holds that fall due within seconds, and nobody who touches their accounts afterwards. The topic of the
commands tells what was sent.
"""

import signal
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import psycopg
import pytest
from support.events import grant, reserve
from support.wait import wait_until

OPTIONS = {"sweep.interval": "200ms", "sweep.batch": 3}


def soon(seconds=15):
    """Time enough to hand in what is due then."""
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def advances(drawdown):
    """The advances in the topic: (customer, resource or None), as often as each was sent."""
    records = drawdown.client.read("commands")
    return [
        (r.value["customerId"], r.value.get("resourceId")) for r in records if r.value.get("type") == "advance"
    ]


def due(drawdown):
    return {
        (row["customer_id"], row["resource_id"]): row["due_at"]
        for row in drawdown.books.query("select * from drawdown.due")
    }


def moves(drawdown, customer):
    return [
        (e["eventType"].removeprefix("CREDITS_"), e["amount"], e["recordedAt"], e["idempotencyKey"])
        for e in drawdown.books.entries()
        if e["customerId"] == customer
    ]


def sweeps(worker):
    return worker.metrics().get("drawdown_sweeps_total", 0)


def wait_for_sweeps(worker, count=3):
    until = sweeps(worker) + count
    wait_until(lambda: sweeps(worker) >= until, f"{count} more sweeps")


@pytest.fixture
def swept(install):
    return install(OPTIONS)


def test_two_replicas_make_idle_accounts_advance_each_once(swept):
    workers = [swept.worker(replica).start() for replica in ("a", "b")]
    at = soon()
    customers = [f"customer-{number}" for number in range(12)]
    for customer in customers:
        swept.client.produce("commands", grant(customer, 10, f"ends-{customer}", expireAt=at))
        swept.client.produce("commands", grant(customer, 7, f"begins-{customer}", effectiveAt=at))
        swept.client.produce("commands", grant(customer, 5, f"scoped-{customer}", expireAt=at, resourceId="team"))
        swept.client.produce("commands", grant(customer, 3, f"held-{customer}", resourceId="hold"))
        swept.client.produce("commands", reserve(customer, 2, "r", ttlSeconds=14, resourceId="hold"))
    swept.wait_for_lag_zero()
    wait_until(lambda: not due(swept), "nothing to be due any more")
    swept.wait_until_counted()
    for customer in customers:
        entries = [e for e in swept.books.entries() if e["customerId"] == customer and e["resourceId"] is None]
        assert [(e["eventType"], e["amount"], e["recordedAt"]) for e in entries[1:]] == [
            ("CREDITS_GRANTED", 7, at),
            ("CREDITS_EXPIRED", -10, at),
        ]
        scoped = [e for e in swept.books.entries() if e["customerId"] == customer and e["resourceId"] == "team"]
        assert [(e["eventType"], e["amount"], e["recordedAt"]) for e in scoped[1:]] == [("CREDITS_EXPIRED", -5, at)]
    holds = swept.books.query("select state from drawdown.hold")
    assert [hold["state"] for hold in holds] == [3] * 12
    assert {row["held"] for row in swept.books.query("select held from drawdown.account")} == {Decimal(0)}

    sent = advances(swept)
    assert len(sent) == len(set(sent)) == 36
    for worker in workers:
        wait_for_sweeps(worker)
    assert sum(worker.metrics()["drawdown_advances_sent_total"] for worker in workers) == 36
    assert all(worker.metrics()["drawdown_advances_sent_total"] > 0 for worker in workers)
    assert len(advances(swept)) == 36
    assert all(worker.metrics()["drawdown_due_oldest_seconds"] == 0 for worker in workers)
    swept.check_books()


def test_nothing_is_sent_before_its_time(swept):
    worker = swept.worker().start()
    swept.client.produce("commands", grant("acme", 10, expireAt=soon(3600)))
    swept.client.produce("commands", grant("bolt", 10, effectiveAt=soon(3600)))
    swept.wait_for_lag_zero()
    assert len(due(swept)) == 2
    wait_for_sweeps(worker)
    assert advances(swept) == []
    assert worker.metrics()["drawdown_advances_sent_total"] == 0


def test_a_due_time_that_nothing_stands_behind_is_put_right(swept):
    worker = swept.worker().start()
    at = soon(3600)
    swept.client.produce("commands", grant("acme", 10, "give", expireAt=at))
    swept.client.produce("commands", grant("bolt", 10, "keep"))
    swept.wait_for_lag_zero()
    with psycopg.connect(swept.owner_url) as owner:
        owner.execute("update drawdown.due set due_at = now() - interval '1 minute'")
        owner.execute(
            "insert into drawdown.due (customer_id, currency_id, due_at) "
            "values ('bolt', 'ai-tokens', now() - interval '1 hour')"
        )
    wait_until(lambda: due(swept) == {("acme", ""): at}, "the due times to be right again")
    wait_for_sweeps(worker)
    assert sorted(advances(swept)) == [("acme", None), ("bolt", None)]
    assert [move[0] for customer in ("acme", "bolt") for move in moves(swept, customer)] == ["GRANTED", "GRANTED"]
    swept.check_books()


def test_without_the_sweeper_an_idle_account_waits(install):
    drawdown = install({"sweep.interval": "0s", "dedupe.drop.interval": "0s"})
    worker = drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10, expireAt=soon(6)))
    drawdown.wait_for_lag_zero()
    (at,) = due(drawdown).values()
    wait_until(lambda: datetime.now(timezone.utc) > at + timedelta(seconds=1), "it to be due")
    assert advances(drawdown) == [] and len(moves(drawdown, "acme")) == 1
    assert sweeps(worker) == 0


def test_a_database_that_is_away_and_back_does_not_stop_the_sweeper(swept):
    worker = swept.worker().start()
    swept.client.produce("commands", grant("acme", 10, expireAt=soon(6)))
    swept.wait_for_lag_zero()
    wait_until(lambda: not due(swept), "a first sweep to have worked")
    at = soon()
    swept.client.produce("commands", grant("acme", 5, expireAt=at))
    swept.wait_for_lag_zero()
    swept.servers.restart("postgres", signal.SIGINT)  # its fast shutdown: all sessions end
    wait_until(lambda: worker.metrics().get("drawdown_keeper_failures_total", 0) > 0, "the sweeper to notice")
    wait_until(lambda: not due(swept), "the sweeper to go on")
    swept.wait_for_lag_zero()
    assert moves(swept, "acme")[-1] == ("EXPIRED", -5, at, None)
    assert worker.is_ready() and worker.terminate() == 0
    swept.check_books()


def test_a_database_that_hangs_does_not_hold_up_the_stop(swept):
    worker = swept.worker().start()
    wait_for_sweeps(worker, 1)
    with swept.servers.frozen("postgres"):
        assert worker.terminate() == 0
    assert "did not close" not in worker.log_text()
