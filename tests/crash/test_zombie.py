"""More than one worker, and workers that were believed dead: what a stopped one had in hand is done by its successor
and by nobody else.

Method: SIGSTOP at a point where the worker is held by a lock or by a frozen Kafka, a successor that handles all there
is, SIGCONT; then the audit.
"""

from support.events import consume, grant
from support.faults import ledger_locked, wait_for_blocked_lanes, wait_for_lanes_inside_copy
from support.wait import wait_until

CUSTOMERS = [f"customer-{number}" for number in range(40)]


def open_accounts(drawdown):
    for customer in CUSTOMERS:
        drawdown.client.produce("commands", grant(customer, 50))
    drawdown.client.flush()


def produce_usage(drawdown, chance, count):
    for _ in range(count):
        drawdown.client.produce("usage", consume(chance.choice(CUSTOMERS), "0.5"))
    drawdown.client.flush()


def rejoins(drawdown, worker, name):
    """It has noticed that it lost its partitions, has become a member again and owns some."""
    wait_until(lambda: name in drawdown.client.members(drawdown.group), f"{name} to be a member")
    worker.wait_ready()


def test_a_worker_stopped_inside_a_copy_commits_nothing_once_another_has_taken_over(install, chance):
    drawdown = install({"database.lock.timeout": "2s"})
    zombie = drawdown.worker("zombie", options={"database.lock.timeout": "25s"}).start()
    open_accounts(drawdown)
    drawdown.wait_for_lag_zero()
    with ledger_locked(drawdown):
        produce_usage(drawdown, chance, 3000)
        wait_for_blocked_lanes(drawdown)
        zombie.stop()
    wait_for_lanes_inside_copy(drawdown)
    assert drawdown.books.count() == len(CUSTOMERS)

    heir = drawdown.worker("heir").start()
    drawdown.wait_for_lag_zero()
    assert "event=store.claim" in heir.log_text(), "the sessions of the stopped one were in the way"
    drawdown.audit()
    entries = drawdown.books.entries()

    zombie.cont()
    wait_until(lambda: zombie.metrics().get("drawdown_rewinds_total", 0) >= 1, "the zombie to drop what it had in hand")
    rejoins(drawdown, zombie, "zombie")
    assert drawdown.books.entries() == entries
    produce_usage(drawdown, chance, 500)
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_a_worker_stopped_before_its_kafka_commit_publishes_nothing_once_another_has_taken_over(drawdown, chance):
    zombie = drawdown.worker("zombie", options={"database.lock.timeout": "25s"}).start()
    open_accounts(drawdown)
    drawdown.wait_for_lag_zero()
    with ledger_locked(drawdown) as unlock:
        produce_usage(drawdown, chance, 2000)
        wait_for_blocked_lanes(drawdown)
        with drawdown.servers.frozen("kafka"):
            unlock()
            wait_until(lambda: drawdown.books.count() > len(CUSTOMERS), "the batch to be recorded")
            zombie.stop()
    heir = drawdown.worker("heir").start()
    drawdown.wait_for_lag_zero()
    recalled = "drawdown_ledger_entries_recalled_total"
    wait_until(lambda: heir.metrics().get(recalled, 0) > 0, "what was recalled to be counted")
    drawdown.audit()

    zombie.cont()
    rejoins(drawdown, zombie, "zombie")
    produce_usage(drawdown, chance, 500)
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_replicas_come_and_go_under_load(drawdown, chance):
    options = {"batch.records.max": 100, "database.lock.timeout": "25s"}
    workers = {name: drawdown.worker(name, options=options) for name in ("a", "b", "c")}
    workers["a"].start()
    open_accounts(drawdown)

    def busy():
        goal = drawdown.books.count() + 200
        with ledger_locked(drawdown):  # or they are done with it before we look
            produce_usage(drawdown, chance, 1500)
        wait_until(lambda: drawdown.books.count() > goal, f"{goal} entries", pause=0.002)

    busy()
    workers["b"].start(ready=False)
    busy()
    workers["b"].wait_ready()
    workers["c"].start(ready=False)
    busy()
    workers["a"].kill()
    busy()
    assert workers["b"].terminate() == 0
    busy()
    workers["a"].start(ready=False)
    busy()
    drawdown.wait_for_lag_zero()
    drawdown.audit()
