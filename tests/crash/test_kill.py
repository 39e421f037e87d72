"""kill -9 at any point: totals, receipts, ledger and the read-committed output are what they must be, to the last digit.

Method: where the point matters the worker is held there (a lock in PostgreSQL, a frozen Kafka), otherwise it is killed
as soon as it has done some random part of a backlog; the seed is printed. The audit then works the whole input out
again, record by record, in the order in which the ledger has it, and compares every book.
"""

from decimal import Decimal

import pytest
from support.events import consume, grant, void
from support.faults import account_locked, ledger_locked, wait_for_blocked_lanes, wait_for_lanes_at_rest
from support.wait import wait_until

CUSTOMERS = [f"customer-{number}" for number in range(60)]


def open_accounts(drawdown):
    for customer in CUSTOMERS:
        drawdown.client.produce("commands", grant(customer, 50, f"open-{customer}", grantId="opening"))
    drawdown.client.flush()


def stream(drawdown, chance, count, name):
    """Commands and usage interleaved, in both formats, with duplicates and conflicts among them."""
    sent = []
    for number in range(count):
        customer, key = chance.choice(CUSTOMERS), f"{name}-{number}"
        how = {"format": chance.choice(("json", "avro"))}
        if sent and chance.random() < 0.1:
            topic, event, how = chance.choice(sent)
            if chance.random() < 0.2:
                event = event | {"amount": event["amount"] + 1}
        elif chance.random() < 0.15:
            topic, event = "commands", grant(customer, chance.randrange(1, 100), key, priority=chance.randrange(3))
        elif chance.random() < 0.02:
            topic, event = "commands", void(customer, "opening", key) | {"amount": Decimal(1)}
            how = {"format": "json"}
        else:
            topic = chance.choice(("usage", "usage", "commands"))
            event = consume(customer, Decimal(chance.randrange(1, 20 * 10**12)).scaleb(-12), key)
        sent.append((topic, event, how))
        drawdown.client.produce(topic, event, **how)


def test_three_kills_while_busy_change_nothing(drawdown, chance):
    options = {"batch.records.max": chance.choice((60, 150, 400)), "database.lock.timeout": "25s"}
    worker = drawdown.worker(options=options).start()
    open_accounts(drawdown)
    for part in range(3):
        goal = drawdown.books.count() + chance.randrange(100, 2000)
        with ledger_locked(drawdown):  # or it is done with it before we look
            stream(drawdown, chance, 4000, f"part-{part}")
            drawdown.client.flush()
        wait_until(lambda: drawdown.books.count() >= goal, f"{goal} entries", pause=0.002)
        worker.kill()
        assert drawdown.unrecorded() > 0, "it was not busy"
        worker.start(ready=False)
    stream(drawdown, chance, 1000, "after")
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def first_batch_is_recorded_but_not_published(drawdown, worker):
    """Kill -9 the worker at that very point: PostgreSQL has committed the batch, Kafka knows nothing of it."""
    with ledger_locked(drawdown) as unlock:
        open_accounts(drawdown)
        wait_for_blocked_lanes(drawdown)
        with drawdown.servers.frozen("kafka"):
            unlock()
            wait_until(lambda: drawdown.books.count() > 0, "the batch to be recorded")
            wait_for_lanes_at_rest(drawdown)
            worker.kill()
            wait_for_lanes_at_rest(drawdown)  # a COMMIT may have been under way
    assert drawdown.client.read("ledger", waits=False) == []
    recorded, committed = drawdown.recorded(), drawdown.client.committed(drawdown.group)
    assert any(recorded[at] > committed[at] for at in recorded)


def test_the_very_first_batch_killed_before_its_kafka_commit_is_published_once_by_the_next(drawdown):
    worker = drawdown.worker().start()
    first_batch_is_recorded_but_not_published(drawdown, worker)
    entries = drawdown.books.entries()
    worker.start()
    drawdown.wait_until_counted()
    assert worker.metrics()["drawdown_ledger_entries_recalled_total"] == len(entries)
    assert all(entry in drawdown.books.entries() for entry in entries)
    drawdown.audit()


def test_what_retention_took_before_it_was_published_is_published_from_the_database(drawdown):
    worker = drawdown.worker().start()
    first_batch_is_recorded_but_not_published(drawdown, worker)
    recorded = drawdown.recorded()
    drawdown.client.delete_records({("commands", at): recorded["commands", at] for at in range(4)})
    worker.start()
    drawdown.wait_for_lag_zero()
    assert "event=worker.truncated" in worker.log_text()
    assert drawdown.books.balances() == {(customer, "ai-tokens", None): 50 for customer in CUSTOMERS}
    drawdown.check_books()


def test_offsets_that_are_set_back_by_hand_make_the_same_entries_come_again_and_no_other(drawdown, chance):
    worker = drawdown.worker().start()
    open_accounts(drawdown)
    stream(drawdown, chance, 500, "replayed")
    drawdown.wait_for_lag_zero()
    assert worker.terminate() == 0
    first = {record.value["entryId"]: record for record in drawdown.client.read("ledger")}
    books = drawdown.books.entries(), drawdown.books.balances(), drawdown.books.receipts()
    ends = drawdown.client.committed(drawdown.group)
    drawdown.check_offsets()
    drawdown.client.set_offsets(drawdown.group, {at: end // 2 for at, end in ends.items()})
    with pytest.raises(AssertionError, match="went back"):
        drawdown.check_offsets()
    worker.start()
    drawdown.wait_for_lag_zero()
    again = drawdown.client.read("ledger")
    assert len(again) > len(first)
    for record in again:
        original = first[record.value["entryId"]]
        assert (record.key, record.raw, record.partition) == (original.key, original.raw, original.partition)
        assert record.header_list == original.header_list
    assert (drawdown.books.entries(), drawdown.books.balances(), drawdown.books.receipts()) == books
    drawdown.books.check_balances(drawdown.client.read("balances"))


def test_a_worker_that_is_killed_while_it_recovers_is_recovered_by_the_next(drawdown, chance):
    worker = drawdown.worker().start()
    first_batch_is_recorded_but_not_published(drawdown, worker)
    stream(drawdown, chance, 500, "behind")
    drawdown.client.flush()
    for attempt in range(3):
        assignments = worker.log_text().count("event=worker.assigned")
        worker.start(ready=False)
        wait_until(lambda: worker.log_text().count("event=worker.assigned") > assignments, "an assignment")
        worker.kill()
    worker.start()
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_one_lane_committed_and_the_other_not_when_the_worker_was_killed(install, chance):
    drawdown = install({"database.lock.timeout": "25s", "merge.wait": "10s", "batch.linger": "1s"})
    worker = drawdown.worker().start()
    open_accounts(drawdown)
    drawdown.wait_for_lag_zero()
    worker.kill()
    stream(drawdown, chance, 600, "half")
    drawdown.client.flush()
    between = "select from drawdown.input_position group by topic, partition having count(distinct recorded) > 1"
    with account_locked(drawdown, CUSTOMERS[0]):
        worker.start(ready=False)
        wait_for_blocked_lanes(drawdown)
        wait_until(lambda: drawdown.books.query(between), "the other lane to commit")
        worker.kill()
    assert drawdown.books.query(between), "both lanes stand at the same place"
    assert len(drawdown.client.read("ledger", waits=False)) < drawdown.books.count()
    worker.start()
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_killed_in_the_middle_of_a_kafka_transaction_nothing_of_it_is_seen_until_it_comes_again(drawdown, chance):
    worker = drawdown.worker().start()
    open_accounts(drawdown)
    drawdown.wait_for_lag_zero()
    assert worker.terminate() == 0
    worker = drawdown.worker(options={"batch.records.max": 5000, "batch.linger": "10s", "database.lock.timeout": "25s"})
    worker.start()
    for attempt in range(8):
        visible = len(drawdown.client.read("ledger", waits=False))
        end = sum(drawdown.client.ends("ledger").values())
        with ledger_locked(drawdown) as unlock:
            stream(drawdown, chance, 5000, f"attempt-{attempt}")
            drawdown.client.flush()
            wait_for_blocked_lanes(drawdown)
            unlock()
            wait_until(lambda: sum(drawdown.client.ends("ledger").values()) > end, "messages in the log", pause=0.001)
            worker.kill()
        is_unfinished = len(drawdown.client.read("ledger", waits=False)) == visible
        worker.start()
        drawdown.wait_for_lag_zero()
        if is_unfinished:
            break
    else:
        raise AssertionError("the transaction was over each time")
    drawdown.audit()
