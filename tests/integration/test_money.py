"""Which credits pay for what: burn order, overdraft and its settlement, voiding, pools, exactness.

Method: a few commands and usage events for one account at a time, then the entries that must come of them; the audit
holds every book against the referee's as well.
"""

from datetime import datetime, timezone
from decimal import Decimal

import pytest
from support.events import consume, grant, void

SEPTEMBER = datetime(2031, 9, 1, tzinfo=timezone.utc)
AUGUST = datetime(2031, 8, 15, tzinfo=timezone.utc)


@pytest.fixture
def feed(drawdown):
    """feed(event...): commands and usage, one after the other, each handled before the next topic's is produced."""
    drawdown.worker().start()

    def run(*events):
        for event in events:
            drawdown.client.produce("commands", event)
        drawdown.wait_for_lag_zero()

    return run


def moves(drawdown, customer="acme", key=None):
    """(event type, grant, amount, balance after) of a customer's entries, or of those with this key."""
    return [
        (entry["eventType"].removeprefix("CREDITS_"), entry["grantId"].split("/")[0], entry["amount"], entry["balanceAfter"])
        for entry in drawdown.books.entries()
        if entry["customerId"] == customer and key in (None, entry["idempotencyKey"])
    ]


def outcome(drawdown, key):
    """The only answer to that key in the outcomes."""
    (found,) = [r.value for r in drawdown.client.read("outcomes") if r.value["idempotencyKey"] == key]
    return found["outcome"], found["code"], found["appliedAmount"]


def test_grants_burn_by_priority_then_expiry_then_promotional_first(drawdown, feed):
    feed(
        grant("acme", 50, grantId="A", priority=1, expireAt=SEPTEMBER, grantType="PAID"),
        grant("acme", 20, grantId="B", priority=1, expireAt=SEPTEMBER, grantType="PROMOTIONAL"),
        grant("acme", 100, grantId="C", priority=2, expireAt=AUGUST, grantType="PROMOTIONAL"),
    )
    feed(consume("acme", 60, "sixty"))
    assert moves(drawdown, key="sixty") == [("CONSUMED", "B", -20, 150), ("CONSUMED", "A", -40, 110)]
    entries = [entry for entry in drawdown.books.entries() if entry["idempotencyKey"] == "sixty"]
    assert [(e["firstSeq"], e["lastSeq"], e["requestedAmount"], e["grantRemaining"]) for e in entries] == [
        (4, 5, 60, 0),
        (4, 5, 60, 10),
    ]
    drawdown.audit()


def test_every_rule_of_the_burn_order_breaks_the_tie_that_the_one_before_leaves(drawdown, feed):
    early, late = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 2, 1, tzinfo=timezone.utc)
    in_order = [
        grant("acme", 1, grantId="priority", priority=-1),
        grant("acme", 1, grantId="soon", expireAt=AUGUST),
        grant("acme", 1, grantId="promotional", expireAt=SEPTEMBER, grantType="PROMOTIONAL"),
        grant("acme", 1, grantId="effective", expireAt=SEPTEMBER, effectiveAt=early),
        grant("acme", 1, grantId="z-created-first", expireAt=SEPTEMBER, effectiveAt=late),
        grant("acme", 1, grantId="a-created-later", expireAt=SEPTEMBER, effectiveAt=late),
        grant("acme", 1, grantId="never", effectiveAt=early),
    ]
    for index in (4, 6, 1, 0, 3, 2, 5):
        feed(in_order[index])
    feed(consume("acme", 7, "all"))
    assert [move[1] for move in moves(drawdown, key="all")] == [event["grantId"] for event in in_order]
    drawdown.audit()


def test_what_grants_cannot_cover_goes_to_an_overdraft_which_the_next_grants_pay(drawdown, feed):
    feed(grant("acme", 10, grantId="first"))
    feed(consume("acme", 25, "over"))
    assert moves(drawdown, key="over") == [("CONSUMED", "first", -10, 0), ("CONSUMED", "overdraft:ai-tokens", -15, -15)]
    feed(consume("acme", 1, "more"))
    assert moves(drawdown, key="more") == [("CONSUMED", "overdraft:ai-tokens", -1, -16)]
    feed(grant("acme", 6, "small", grantId="small"))
    assert moves(drawdown, key="small") == [
        ("GRANTED", "small", 6, -10),
        ("CONSUMPTION_TRANSFER_SOURCE", "overdraft:ai-tokens", 6, -4),
        ("CONSUMPTION_TRANSFER_TARGET", "small", -6, -10),
    ]
    feed(grant("acme", 100, "large", grantId="large"))
    assert moves(drawdown, key="large") == [
        ("GRANTED", "large", 100, 90),
        ("CONSUMPTION_TRANSFER_SOURCE", "overdraft:ai-tokens", 10, 100),
        ("CONSUMPTION_TRANSFER_TARGET", "large", -10, 90),
    ]
    feed(consume("acme", 91, "again"))
    overdrafts = [e["grantId"] for e in drawdown.books.entries() if e["grantId"].startswith("overdraft:")]
    assert overdrafts[0] == overdrafts[-2] != overdrafts[-1], "a later deficit starts an overdraft of its own"
    assert drawdown.books.balance("acme", "ai-tokens") == -1
    drawdown.audit()


def test_void_takes_out_what_is_left_and_leaves_what_was_consumed(drawdown, feed):
    feed(grant("acme", 10, grantId="promo"), grant("acme", 5, "derived"))
    feed(consume("acme", 4), void("acme", "promo", "take"), void("acme", "promo", "again"))
    assert moves(drawdown, key="take") == [("VOIDED", "promo", -6, 5)]
    assert outcome(drawdown, "again") == ("rejected", "grant_not_active", 0)
    derived = [entry["grantId"] for entry in drawdown.books.entries() if entry["idempotencyKey"] == "derived"][0]
    feed(void("acme", derived, "take-derived"))
    assert moves(drawdown, key="take-derived") == [("VOIDED", derived.split("/")[0], -5, 0)]
    drawdown.audit()


def test_void_answers_why_it_takes_nothing(drawdown, feed):
    feed(
        grant("acme", 1, grantId="used-up"),
        grant("acme", 10, grantId="tomorrow", effectiveAt=AUGUST),
        grant("acme", 10, grantId="of-a-team", resourceId="team-1"),
    )
    feed(consume("acme", 3, "over"))
    overdraft = [e["grantId"] for e in drawdown.books.entries() if e["idempotencyKey"] == "over"][-1]
    feed(
        void("acme", "tomorrow", "scheduled"),
        void("acme", "no-such", "unknown"),
        void("acme", "of-a-team", "elsewhere"),
        void("acme", overdraft, "overdraft"),
        void("acme", "used-up", "empty"),
    )
    assert outcome(drawdown, "scheduled") == ("applied", None, 0)
    assert outcome(drawdown, "unknown") == ("rejected", "unknown_grant", 0)
    assert outcome(drawdown, "elsewhere") == ("rejected", "unknown_grant", 0)
    assert outcome(drawdown, "overdraft") == ("rejected", "not_voidable", 0)
    assert outcome(drawdown, "empty") == ("applied", None, 0)
    assert drawdown.books.balances() == {("acme", "ai-tokens", None): -2, ("acme", "ai-tokens", "team-1"): 10}
    drawdown.audit()


def test_a_grant_that_cannot_be_is_rejected_with_its_code(drawdown, feed):
    past = datetime(2020, 1, 1, tzinfo=timezone.utc)
    feed(
        grant("acme", 1, grantId="promo"),
        grant("acme", 1, "twice", grantId="promo"),
        grant("acme", 1, "twice-elsewhere", grantId="promo", resourceId="team-1"),
        grant("acme", 1, "reserved", grantId="overdraft:mine"),
        grant("acme", 1, "backwards", effectiveAt=SEPTEMBER, expireAt=AUGUST),
        grant("acme", 1, "over", expireAt=past),
    )
    assert outcome(drawdown, "twice") == ("rejected", "grant_exists", 0)
    assert outcome(drawdown, "twice-elsewhere") == ("rejected", "grant_exists", 0)
    assert outcome(drawdown, "reserved") == ("rejected", "reserved_id", 0)
    assert outcome(drawdown, "backwards") == ("rejected", "invalid_period", 0)
    assert outcome(drawdown, "over") == ("rejected", "already_expired", 0)
    drawdown.audit()


def test_a_resource_is_a_pool_of_its_own(drawdown, feed):
    feed(grant("acme", 10), grant("acme", 20, resourceId="team-1"), grant("acme", 30, currencyId="gpu-hours"))
    feed(
        consume("acme", 1),
        consume("acme", 25, resourceId="team-1"),
        consume("acme", 3, resourceId="team-2"),
        consume("acme", 4, currencyId="gpu-hours"),
    )
    assert drawdown.books.balances() == {
        ("acme", "ai-tokens", None): 9,
        ("acme", "ai-tokens", "team-1"): -5,
        ("acme", "ai-tokens", "team-2"): -3,
        ("acme", "gpu-hours", None): 26,
    }
    drawdown.audit()


def test_amounts_are_exact_from_the_smallest_to_the_largest(drawdown, feed):
    largest, smallest = Decimal("99999999999999999999999999.999999999999"), Decimal("0.000000000001")
    feed(
        grant("acme", largest),
        grant("zeta", smallest),
        grant("beta", "12345678901234567890123456.123456789012"),
    )
    feed(
        consume("acme", smallest),
        consume("zeta", largest),
        consume("beta", "0.123456789013"),
        consume("beta", "1e25"),
    )
    assert drawdown.books.balances() == {
        ("acme", "ai-tokens", None): Decimal("99999999999999999999999999.999999999998"),
        ("zeta", "ai-tokens", None): Decimal("-99999999999999999999999999.999999999998"),
        ("beta", "ai-tokens", None): Decimal("2345678901234567890123455.999999999999"),
    }
    drawdown.audit()
    feed(grant("acme", "0.000000000002", "too-much"), consume("zeta", "0.000000000002", "too-deep"))
    assert outcome(drawdown, "too-much") == ("rejected", "balance_out_of_range", 0)
    assert outcome(drawdown, "too-deep") == ("rejected", "balance_out_of_range", 0)
    drawdown.check_books()
