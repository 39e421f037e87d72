"""The servers fail, the worker stays: it is the same process before and after, and nothing is lost or done twice.

Method: a backlog is being worked off in small batches (a lock holds the worker until it is all there); a server is
ended, frozen or drops the connections in the middle; the audit compares every book afterwards.
"""

import random
import signal

import pytest
from support.events import consume, grant
from support.faults import cut_connections, ledger_locked
from support.wait import wait_until

CUSTOMERS = [f"customer-{number}" for number in range(40)]
OPTIONS = {"batch.records.max": 100, "database.lock.timeout": "25s"}


@pytest.fixture
def busy(drawdown):
    """busy() produces usage and returns when some of it is handled and the rest is not."""
    worker = drawdown.worker(options=OPTIONS).start()
    for customer in CUSTOMERS:
        drawdown.client.produce("commands", grant(customer, 50))
    drawdown.wait_for_lag_zero()
    chance = random.Random(11)

    def produce(count=3000):
        goal = drawdown.books.count() + count // 6
        with ledger_locked(drawdown):
            for _ in range(count):
                drawdown.client.produce("usage", consume(chance.choice(CUSTOMERS), "0.375"))
            drawdown.client.flush()
        wait_until(lambda: drawdown.books.count() > goal, f"{goal} entries", pause=0.002)

    produce.worker = worker
    return produce


def finish(drawdown, worker):
    drawdown.wait_for_lag_zero()
    assert worker.process.poll() is None
    worker.wait_ready()
    drawdown.audit()


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["crash", "shutdown"])
def test_postgresql_is_restarted_in_the_middle(drawdown, busy, how):
    busy()
    drawdown.servers.restart("postgres", how)
    busy()
    finish(drawdown, busy.worker)


def test_kafka_is_restarted_in_the_middle(drawdown, busy):
    busy()
    drawdown.servers.restart("kafka", signal.SIGKILL)
    busy()
    finish(drawdown, busy.worker)


def test_connections_to_the_database_are_cut_in_the_middle_again_and_again(drawdown, busy):
    for _ in range(6):
        busy(800)
        assert cut_connections(drawdown) > 0
    finish(drawdown, busy.worker)
    assert busy.worker.metrics()["drawdown_lane_retries_total"] > 0


def test_kafka_is_silent_for_longer_than_a_transaction_may_take(install):
    drawdown = install({"publish.transaction.timeout": "2s", "publish.watchdog": "4s"})
    worker = drawdown.worker(options=OPTIONS).start()
    for customer in CUSTOMERS:
        drawdown.client.produce("commands", grant(customer, 50))
    drawdown.wait_for_lag_zero()
    with ledger_locked(drawdown):
        for number in range(6000):
            drawdown.client.produce("usage", consume(CUSTOMERS[number % 40], "0.375"))
        drawdown.client.flush()
    wait_until(lambda: drawdown.books.count() > 500, "work to be under way", pause=0.002)
    with drawdown.servers.frozen("kafka"):
        wait_until(lambda: "level=warning event=publish" in worker.log_text(), "the publisher to give up")
    finish(drawdown, worker)
    assert worker.metrics()["drawdown_producers_created_total"] > 1
