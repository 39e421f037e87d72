"""An event counts once, however often, wherever and in whichever form it comes (I1).

Method: inputs are produced again in all ways that happen; the ledger must not notice, the outcomes must say so, and
the audit at the end of each test holds every book against the referee's.
"""

import random
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from support.events import consume, grant, void
from support.wait import wait_until

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc)


def outcomes(drawdown):
    """What became of what made no entry: (key, outcome, code), sorted."""
    found = [record.value for record in drawdown.client.read("outcomes")]
    return sorted((value["idempotencyKey"], value["outcome"], value["code"]) for value in found)


def test_the_same_input_twice_changes_nothing_the_second_time(drawdown):
    chance = random.Random(1)
    customers = [f"customer-{number}" for number in range(40)]
    events = [("commands", grant(customer, 100, priority=chance.randrange(3))) for customer in customers]
    for _ in range(1500):
        amount = Decimal(chance.randrange(1, 10**13)).scaleb(-12)
        events.append(("usage", consume(chance.choice(customers), amount, dimensions={"model": "x"})))

    def produce_all():
        for topic, event in events:
            drawdown.client.produce(topic, event)
            if event is events[len(customers) - 1][1]:
                drawdown.wait_until_counted()  # the grants come first, however late their topic is read
        drawdown.wait_until_counted()

    worker = drawdown.worker().start()
    produce_all()
    before = drawdown.books.entries(), drawdown.books.balances(), worker.inputs()
    assert before[2] == {("grant", "applied"): 40, ("consume", "applied"): 1500}
    produce_all()
    assert (drawdown.books.entries(), drawdown.books.balances()) == before[:2]
    assert worker.inputs() == before[2] | {("grant", "duplicate"): 40, ("consume", "duplicate"): 1500}
    drawdown.audit()


def test_a_duplicate_within_a_batch_is_found(drawdown):
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.client.flush()
    for _ in range(3):
        drawdown.client.produce("usage", consume("acme", 2, "once"))
    drawdown.client.flush()
    options = {"merge.wait": "10s", "batch.records.max": 4, "batch.linger": "10s"}  # closed by the fourth record
    worker = drawdown.worker(options=options).start()
    drawdown.wait_until_counted()
    assert worker.metrics()["drawdown_batches_total"] == 1
    assert outcomes(drawdown) == [("once", "duplicate", None)] * 2
    assert drawdown.books.balance("acme", "ai-tokens") == 8
    drawdown.audit(by_time=True)


def test_a_duplicate_in_a_later_batch_of_another_process_is_found(drawdown):
    worker = drawdown.worker().start()
    for event in (grant("acme", 10, "give"), consume("acme", 2, "once")):
        drawdown.client.produce("commands", event)
    drawdown.wait_for_lag_zero()
    assert worker.terminate() == 0
    for event in (grant("acme", 10, "give"), consume("acme", 2, "once")):
        drawdown.client.produce("commands", event)
    worker.start()
    drawdown.wait_for_lag_zero()
    assert outcomes(drawdown) == [("give", "duplicate", None), ("once", "duplicate", None)]
    assert drawdown.books.balance("acme", "ai-tokens") == 8
    drawdown.audit()


def test_a_copy_in_another_partition_is_a_duplicate(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.wait_for_lag_zero()
    for partition in range(4):
        drawdown.client.produce("usage", consume("acme", 2, "once"), partition=partition)
    drawdown.wait_for_lag_zero()
    assert outcomes(drawdown) == [("once", "duplicate", None)] * 3
    assert drawdown.books.balance("acme", "ai-tokens") == 8
    drawdown.audit()


def test_usage_that_is_reported_in_both_topics_counts_once(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.wait_for_lag_zero()
    drawdown.client.produce("commands", consume("acme", 2, "once"))
    drawdown.client.produce("usage", consume("acme", 2, "once"))
    drawdown.wait_for_lag_zero()
    assert outcomes(drawdown) == [("once", "duplicate", None)]
    assert drawdown.books.balance("acme", "ai-tokens") == 8
    drawdown.audit()


def test_usage_cannot_burn_the_key_of_a_command(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.wait_for_lag_zero()
    drawdown.client.produce("usage", consume("acme", 2, "same"))
    drawdown.wait_for_lag_zero()
    drawdown.client.produce("commands", grant("acme", 5, "same"))
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("acme", "ai-tokens") == 13
    drawdown.audit()


def test_keys_of_two_customers_have_nothing_to_do_with_each_other(drawdown):
    drawdown.worker().start()
    for customer in ("acme", "zeta"):
        drawdown.client.produce("commands", grant(customer, 10, "give"))
        drawdown.client.produce("commands", consume(customer, 2, "once"))
    drawdown.wait_for_lag_zero()
    assert set(drawdown.books.balances().values()) == {Decimal(8)}
    drawdown.audit()


def test_a_key_that_is_used_again_for_something_else_is_a_conflict(drawdown):
    drawdown.worker().start()
    first = consume("acme", 2, "used", dimensions={"model": "x", "tier": 1})
    given = grant("acme", 10, "give", grantId="promo", priority=1, expireAt=datetime(2030, 1, 1, tzinfo=timezone.utc))
    taken = void("acme", "other", "take")
    others = [
        first | {"amount": Decimal("2.000000000001")},
        first | {"currencyId": "gpu-hours"},
        first | {"resourceId": "team-1"},
        first | {"dimensions": {"model": "x"}},
        first | {"dimensions": {"model": "x", "tier": "1"}},
        first | {"dimensions": {"model": "x", "tier": 2}},
        {name: value for name, value in first.items() if name != "dimensions"},
        given | {"amount": Decimal(11)},
        given | {"grantType": "PROMOTIONAL"},
        given | {"grantId": "promo-2"},
        given | {"priority": 2},
        given | {"effectiveAt": datetime(2026, 1, 1, tzinfo=timezone.utc)},
        given | {"expireAt": datetime(2030, 1, 1, 0, 0, 0, 1, timezone.utc)},
        given | {"cost": {"amount": Decimal(9), "currency": "EUR"}},
        void("acme", "promo", "give"),
        taken | {"grantId": "another"},
    ]
    for event in [given, first, taken] + others:
        drawdown.client.produce("commands", event)
    drawdown.wait_for_lag_zero()
    conflicts = [outcome for outcome in outcomes(drawdown) if outcome[1] == "conflict"]
    assert len(conflicts) == len(others)
    assert drawdown.books.balances() == {("acme", "ai-tokens", None): 8}
    drawdown.audit()


def test_what_is_written_otherwise_and_means_the_same_is_a_duplicate(drawdown):
    drawdown.worker().start()
    common = '"customerId":"acme","currencyId":"ai-tokens","idempotencyKey":"once"'
    first = consume("acme", "1.50", "once", dimensions={"a": 1, "b": "x", "c": True})
    given = grant("acme", 10, "give", expireAt=datetime(2030, 1, 1, tzinfo=timezone.utc))
    drawdown.client.produce("commands", given)
    drawdown.client.produce("commands", first)
    drawdown.wait_for_lag_zero()
    same = [
        b'{%s,"amount":1.5,"dimensions":{"c":true,"b":"x","a":1}}' % common.encode(),
        b'{%s,"amount":"15e-1","dimensions":{"a":1.0,"b":"\\u0078","c":true}}' % common.encode(),
        b' {"dimensions":{"a":1,"b":"x","c":true}, "amount" : 1.500000000000000000, "unknown": [{}], %s}\n'
        % common.encode(),
        b'{%s,"type":"consume","resourceId":null,"amount":1.5,"createdAt":"2026-01-02T03:04:05.678Z",'
        b'"dimensions":{"a":1,"b":"x","c":true}}' % common.encode(),
    ]
    now = drawdown.client.read("commands")[0].timestamp / 1000
    recent = datetime.fromtimestamp(now - 3600, timezone.utc)
    same[3] = same[3].replace(b"2026-01-02T03:04:05.678Z", recent.isoformat().encode())
    for raw in same:
        drawdown.client.produce("commands", raw, key="acme")
    drawdown.client.produce("commands", first, format="avro")
    drawdown.client.produce("commands", first | {"createdAt": recent}, format="avro")
    drawdown.client.produce("commands", given, format="avro")
    drawdown.client.produce(
        "commands",
        given | {"displayName": "A", "comment": "B", "metadata": {"c": "d"}, "createdAt": recent, "priority": 0},
    )
    drawdown.wait_for_lag_zero()
    assert outcomes(drawdown) == [("give", "duplicate", None)] * 2 + [("once", "duplicate", None)] * 6
    assert drawdown.books.balance("acme", "ai-tokens") == Decimal("8.5")
    drawdown.audit()


def test_the_retry_of_a_rejection_gets_the_first_answer_whatever_holds_by_then(drawdown):
    drawdown.worker().start()
    early = consume("acme", 1, "early")
    for event in (early, grant("acme", 10), early, consume("acme", 1, "late")):
        drawdown.client.produce("commands", event)
        drawdown.wait_for_lag_zero()
    assert outcomes(drawdown) == [("early", "duplicate", "unknown_currency"), ("early", "rejected", "unknown_currency")]
    assert drawdown.books.balance("acme", "ai-tokens") == 9
    drawdown.audit()


@pytest.mark.parametrize("batch", [1, 20])
def test_how_the_input_is_cut_into_batches_changes_no_entry(install, batch):
    drawdown = install({"merge.wait": "10s"})
    chance = random.Random(7)
    for number in range(60):
        customer = f"customer-{chance.randrange(3)}"
        kind = chance.randrange(4)
        if kind == 0:
            drawdown.client.produce("commands", grant(customer, chance.randrange(1, 20), priority=chance.randrange(3)))
        else:
            drawdown.client.produce("usage", consume(customer, chance.randrange(1, 9), f"key-{chance.randrange(40)}"))
    drawdown.client.flush()
    drawdown.worker(options={"batch.records.max": batch}).start()
    drawdown.wait_for_lag_zero()
    drawdown.audit(by_time=True)


def test_copies_in_the_partitions_of_two_workers_count_once(drawdown):
    workers = [drawdown.worker(name).start(ready=False) for name in ("a", "b")]
    for worker in workers:
        wait_until(lambda: worker.get("/metrics")[1].count("drawdown_position{") == 4, "each worker to own two pairs")
        worker.wait_ready()
    for number in range(10):
        drawdown.client.produce("commands", grant(f"customer-{number}", 100))
    drawdown.wait_for_lag_zero()
    for number in range(400):
        event = consume(f"customer-{number % 10}", "0.5", f"use-{number}")
        for partition in range(4):
            drawdown.client.produce("usage", event, partition=partition)
    drawdown.wait_until_counted()
    counts = [worker.inputs() for worker in workers]
    assert sum(count.get(("consume", "applied"), 0) for count in counts) == 400
    assert sum(count.get(("consume", "duplicate"), 0) for count in counts) == 1200
    assert set(drawdown.books.balances().values()) == {Decimal(80)}
    drawdown.books.check()
    entries = [record.value["entryId"] for record in drawdown.client.read("ledger")]
    assert len(entries) == len(set(entries)) == drawdown.books.count() == 410


def test_a_receipt_of_another_customer_with_the_same_hash_ends_the_worker(install):
    drawdown = install({"database.lanes": 1})
    worker = drawdown.worker().start()
    for customer in ("acme", "other"):
        drawdown.client.produce("commands", grant(customer, 10))
    drawdown.wait_for_lag_zero()
    drawdown.client.produce("usage", consume("acme", 1, "once"))
    drawdown.wait_for_lag_zero()
    assert worker.terminate() == 0
    with drawdown.owner() as owner:
        owner.execute("update drawdown.receipt set customer_id = 'other' where idempotency_key = 'once'")
    drawdown.client.produce("usage", consume("acme", 1, "once"))
    drawdown.client.produce("usage", consume("other", 1, "else"))
    drawdown.client.flush()
    options = {"merge.wait": "10s", "batch.records.max": 2, "batch.linger": "10s"}  # both in one batch
    worker = drawdown.worker(options=options)
    worker.start(ready=False)
    assert worker.wait() == 2
    assert "its key has the hash of another key in drawdown.receipt" in worker.log_text()
    assert drawdown.books.balances() == {("acme", "ai-tokens", None): 9, ("other", "ai-tokens", None): 10}
