"""Reversals of what took nothing: the worker answers them, whether the consumption was capped or a hold was given back.

Method: each event is recorded before the next is produced, so that the reversal finds the consumption in the database.
"""

import pytest
from support.events import CURRENCY, consume, grant


def event(kind, key, **fields):
    return {"type": kind, "customerId": "acme", "currencyId": CURRENCY, "idempotencyKey": key, **fields}


@pytest.fixture
def feed(drawdown):
    drawdown.worker().start()

    def run(*events):
        for each in events:
            drawdown.client.produce("commands", each)
            drawdown.wait_for_lag_zero()

    return run


def outcome(drawdown, key):
    """The only answer to that key in the outcomes."""
    (found,) = [r.value for r in drawdown.client.read("outcomes") if r.value["idempotencyKey"] == key]
    return found["outcome"], found["code"], found["appliedAmount"]


def test_what_took_nothing_is_already_reversed(drawdown, feed):
    feed(
        grant("acme", 10, grantId="A"),
        event("reserve", "reserved", reservationId="r", amount=10),
        consume("acme", 4, "overdrawn"),
        event("settle", "nothing", reservationId="r", amount=0),  # its entries are of the overdraft that it pays
        event("configure", "cap", overLimit="cap"),
        consume("acme", 6, "all"),
        consume("acme", 1, "capped"),
        event("reverse", "v1", reversedKey="nothing"),
        event("reverse", "v2", reversedKey="capped"),
        event("reverse", "v3", reversedKey="overdrawn"),
    )
    assert outcome(drawdown, "v1") == ("rejected", "already_reversed", 0)
    assert outcome(drawdown, "v2") == ("rejected", "already_reversed", 0)
    assert drawdown.books.balance("acme", CURRENCY) == 4
