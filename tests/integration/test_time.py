"""Time comes from the log: posting, expiry, grace, lateness.

Method: the inputs take the producer's timestamps (inputs.timestamps = trusted), so that a test says when each record
was written. Nothing waits for a clock.
"""

import random
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from support.events import consume, grant, void

NOW = datetime.now(timezone.utc).replace(microsecond=0)
START = NOW - timedelta(days=2)
HOUR = timedelta(hours=1)


class Clockwork:
    """An installation where at(time, event...) says when an event is written."""

    def __init__(self, drawdown):
        self.drawdown = drawdown

    def at(self, when, *events, topic="commands", wait=True, **how):
        for event in events:
            self.drawdown.client.produce(topic, event, timestamp=round(when.timestamp() * 1000), **how)
        if wait:
            self.drawdown.wait_for_lag_zero()

    def moves(self, customer="acme"):
        """(event type, amount, when recorded, key) of a customer's entries."""
        return [
            (e["eventType"].removeprefix("CREDITS_"), e["amount"], e["recordedAt"], e["idempotencyKey"])
            for e in self.drawdown.books.entries()
            if e["customerId"] == customer
        ]

    def outcome(self, key):
        found = [r.value for r in self.drawdown.client.read("outcomes") if r.value["idempotencyKey"] == key]
        return [(value["outcome"], value["code"]) for value in found]


@pytest.fixture
def clockwork(install):
    drawdown = install({"inputs.timestamps": "trusted", "merge.wait": "10s"})
    drawdown.clockwork = Clockwork(drawdown)
    drawdown.set_currency("ai-tokens", expiry_grace=HOUR)
    return drawdown.clockwork


def test_a_scheduled_grant_is_posted_as_of_its_time_when_its_account_is_touched(clockwork):
    clockwork.drawdown.worker().start()
    clockwork.at(START, grant("acme", 10, "give", effectiveAt=START + HOUR))
    clockwork.at(START + HOUR / 2, consume("acme", 1, "before"))
    assert clockwork.moves() == [("CONSUMED", -1, START + HOUR / 2, "before")]
    clockwork.at(START + 3 * HOUR, consume("acme", 2, "after"))
    assert clockwork.moves()[1:] == [
        ("GRANTED", 10, START + HOUR, None),
        ("CONSUMPTION_TRANSFER_SOURCE", 1, START + HOUR, None),
        ("CONSUMPTION_TRANSFER_TARGET", -1, START + HOUR, None),
        ("CONSUMED", -2, START + 3 * HOUR, "after"),
    ]
    assert clockwork.outcome("give") == [("applied", None)]
    clockwork.drawdown.audit()


def test_an_expired_grant_still_pays_for_usage_from_before_within_the_grace(clockwork):
    clockwork.drawdown.worker().start()
    expiry = START + HOUR
    clockwork.at(START, grant("acme", 10, "give", grantId="promo", expireAt=expiry))
    clockwork.at(expiry + HOUR / 2, consume("acme", 1, "late", createdAt=expiry - HOUR / 4))
    clockwork.at(expiry + HOUR / 2, consume("acme", 2, "at-expiry", createdAt=expiry))
    clockwork.at(expiry + HOUR / 2, consume("acme", 3, "new"))
    paid = {e["idempotencyKey"]: e["grantId"].split("/")[0] for e in clockwork.drawdown.books.entries()}
    assert paid == {
        "give": "promo",
        "late": "promo",
        "at-expiry": "overdraft:ai-tokens",
        "new": "overdraft:ai-tokens",
    }
    clockwork.at(expiry + HOUR, consume("acme", 4, "too-late", createdAt=expiry - HOUR / 4))
    assert clockwork.moves()[-2:] == [
        ("EXPIRED", -9, expiry + HOUR, None),
        ("CONSUMED", -4, expiry + HOUR, "too-late"),
    ]
    clockwork.at(expiry + 2 * HOUR, void("acme", "promo", "take"))
    assert clockwork.outcome("take") == [("rejected", "grant_not_active")]
    clockwork.drawdown.audit()


def test_a_lazy_account_and_a_busy_one_keep_the_same_books(clockwork):
    clockwork.drawdown.worker().start()
    for customer in ("lazy", "busy"):
        clockwork.at(
            START,
            grant(customer, 10, effectiveAt=START + 2 * HOUR, expireAt=START + 5 * HOUR),
            grant(customer, 7, expireAt=START + 3 * HOUR),
            consume(customer, 20),
            grant(customer, 5, effectiveAt=START + HOUR),
            wait=False,
        )
    for step in range(8):
        clockwork.at(START + step * HOUR, void("busy", "no-such", f"touch-{step}"), wait=False)
    for customer in ("lazy", "busy"):
        clockwork.at(START + 8 * HOUR, consume(customer, 1, "end"))
    lazy, busy = ([move[:3] for move in clockwork.moves(customer)] for customer in ("lazy", "busy"))
    assert lazy == busy
    assert [(kind, at) for kind, amount, at in lazy if kind in ("GRANTED", "EXPIRED")] == [
        ("GRANTED", START),
        ("GRANTED", START + HOUR),
        ("GRANTED", START + 2 * HOUR),
        ("EXPIRED", START + 6 * HOUR),
    ]
    clockwork.drawdown.audit()


def test_time_never_goes_back_within_an_account(clockwork):
    clockwork.drawdown.worker().start()
    clockwork.at(START + 5 * HOUR, grant("acme", 10, grantId="new"))
    clockwork.at(START, grant("acme", 10, "behind", grantId="behind", expireAt=START + HOUR))
    clockwork.at(START, consume("acme", 1, "use"))
    assert clockwork.outcome("behind") == [("rejected", "already_expired")]
    assert clockwork.moves()[-1] == ("CONSUMED", -1, START + 5 * HOUR, "use")
    clockwork.drawdown.audit()


def test_usage_that_says_it_is_from_too_long_ago_or_from_the_future_is_rejected_and_leaves_no_receipt(clockwork):
    clockwork.drawdown.worker().start()
    window, second = timedelta(days=30), timedelta(seconds=1)
    clockwork.at(
        NOW,
        grant("acme", 10, "give", expireAt=NOW + HOUR),
        consume("acme", 1, "oldest", createdAt=NOW - window),
        consume("acme", 1, "too-old", createdAt=NOW - window - second),
        consume("acme", 1, "soon", createdAt=NOW + timedelta(minutes=5)),
        consume("acme", 1, "future", createdAt=NOW + timedelta(minutes=5) + second),
        grant("acme", 1, "grant-too-old", createdAt=NOW - window - second),
    )
    for key, code in (("too-old", "too_old"), ("future", "in_the_future"), ("grant-too-old", "too_old")):
        assert clockwork.outcome(key) == [("rejected", code)]
    clockwork.at(NOW + HOUR / 2, consume("acme", 1, "future", createdAt=NOW + HOUR / 2))
    assert clockwork.drawdown.books.balance("acme", "ai-tokens") == 7
    clockwork.drawdown.audit()


def test_a_backlog_is_handled_in_the_order_of_time_commands_first(clockwork):
    chance = random.Random(3)
    for number in range(400):
        at = START + timedelta(seconds=number // 4)
        if chance.random() < 0.2:
            clockwork.at(at, grant(f"customer-{number % 5}", 3), wait=False)
        else:
            clockwork.at(at, consume(f"customer-{number % 5}", 1), topic="usage", wait=False)
    clockwork.drawdown.client.flush()
    clockwork.drawdown.worker(options={"batch.records.max": 50}).start()
    clockwork.drawdown.wait_for_lag_zero()
    clockwork.drawdown.audit(by_time=True)


@pytest.mark.parametrize("outputs", ["json", "avro"])
def test_random_input_makes_the_books_that_the_referee_makes(install, chance, outputs):
    drawdown = install({"inputs.timestamps": "trusted", "merge.wait": "10s", "outputs.format": outputs, "outcomes": "all"})
    clockwork = Clockwork(drawdown)
    drawdown.set_currency("ai-tokens", expiry_grace=HOUR)
    now = START
    for number in range(600):
        now += chance.choice((timedelta(0), timedelta(seconds=1), timedelta(minutes=10)))
        event, topic = random_event(chance, now, number)
        clockwork.at(now, event, topic=topic, wait=False, format=chance.choice(("json", "avro")))
    drawdown.client.flush()
    drawdown.worker(options={"batch.records.max": chance.choice((20, 100, 1000))}).start()
    drawdown.wait_for_lag_zero()
    drawdown.audit(by_time=True)


def random_event(chance, now, number):
    customer, key = f"customer-{chance.randrange(6)}", f"key-{chance.randrange(max(1, number - 20), number + 20)}"
    fields = {
        "resourceId": chance.choice((None, None, None, "team-1")),
        "currencyId": chance.choice(("ai-tokens", "ai-tokens", "gpu-hours")),
        "createdAt": chance.choice((None, None, now - chance.randrange(180) * timedelta(minutes=1), now + HOUR)),
    }
    amount = Decimal(chance.randrange(1, 50 * 10**6)).scaleb(-chance.choice((6, 6, 12)))
    kind = chance.random()
    if kind < 0.65:
        dimensions = chance.choice((None, {"model": "x"}, {"n": chance.randrange(3), "ok": True, "f": 0.5}))
        topic = chance.choice(("usage", "usage", "commands"))
        return consume(customer, amount, key, dimensions=dimensions, **fields), topic
    if kind < 0.92:
        times = {
            "effectiveAt": chance.choice((None, None, now + chance.randrange(-60, 300) * timedelta(minutes=1))),
            "expireAt": chance.choice((None, now + chance.randrange(-10, 600) * timedelta(minutes=1))),
        }
        grant_id = chance.choice((None, f"grant-{chance.randrange(40)}"))
        event = grant(
            customer,
            amount,
            key,
            chance.choice(("PAID", "PROMOTIONAL")),
            grantId=grant_id,
            priority=chance.choice((None, 1, -1)),
            **times,
            **fields,
        )
        return event, chance.choice(("commands",) * 9 + ("usage",))
    del fields["createdAt"]
    return void(customer, f"grant-{chance.randrange(40)}", key, **fields), "commands"
