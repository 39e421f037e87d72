"""Holds: reserved, settled, released, extended, run out, and what becomes of grants that end meanwhile.

Method: each story is told step by step, with the worker killed in the middle, and again in one batch; both must leave
the same books.
"""

import pytest
from support.events import consume, extend, grant, release, reserve, settle, void
from support.story import Story, at, minute


@pytest.fixture
def story(install):
    return Story(install)


def holds(story):
    """(reservation, state, amount, parts) in order of making; 0 open, 1 settled, 2 released, 3 run out."""
    return [
        (row["reservation_id"], row["state"], row["amount"], [(part["grantId"], part["amount"]) for part in row["parts"]])
        for row in story.rows("hold", "acme", "ordinal")
    ]


def due(story):
    """Minutes at which accounts of the customer have something to do next."""
    rows = story.drawdown.books.query("select due_at from drawdown.due where customer_id = 'acme'")
    return [(row["due_at"] - minute(0)).total_seconds() / 60 for row in rows]


def test_a_hold_keeps_credits_from_others_and_returns_what_is_not_settled(story):
    moves = story.tell(
        at(0, grant, 60, "give", grantId="g", priority=1),
        at(1, grant, 40, "second", grantId="h", priority=2),
        at(2, reserve, 70, "r", "hold", ttlSeconds=3600),
        at(3, consume, 30, "other"),
        at(4, reserve, 1, "too-much", "nothing-left"),
        at(5, settle, 65, "r", "pay"),
        at(6, settle, 1, "r", "twice"),
        at(7, consume, 5, "rest"),
    )
    assert moves[2:] == [
        ("CONSUMED", "h", -30, 3, "other"),
        ("CONSUMED", "g", -60, 5, "pay"),
        ("CONSUMED", "h", -5, 5, "pay"),
        ("CONSUMED", "h", -5, 7, "rest"),
    ]
    assert holds(story) == [("r", 1, 70, [("g", "60"), ("h", "10")])]
    assert story.codes() == {"nothing-left": "insufficient_credits", "twice": "reservation_closed"}
    assert due(story) == []


def test_what_a_hold_returns_first_pays_an_overdraft_and_one_that_nobody_settles_runs_out(story):
    moves = story.tell(
        at(0, grant, 100, "give", grantId="g"),
        at(1, reserve, 30, "a", "hold-a", ttlSeconds=600),
        at(2, reserve, 20, "b", "hold-b"),
        at(3, consume, 60, "over"),
        at(4, settle, 5, "b", "pay"),
        at(20, consume, 35, "rest"),
    )
    assert moves[1:] == [
        ("CONSUMED", "g", -50, 3, "over"),
        ("CONSUMED", "overdraft", -10, 3, "over"),
        ("CONSUMED", "g", -5, 4, "pay"),
        ("TRANSFER_SOURCE", "overdraft", 10, 4, "pay"),
        ("TRANSFER_TARGET", "g", -10, 4, "pay"),
        ("CONSUMED", "g", -35, 20, "rest"),
    ]
    assert [hold[:3] for hold in holds(story)] == [("a", 3, 30), ("b", 1, 20)]
    assert [row["closed_at"][14:16] for row in story.rows("hold", "acme", "ordinal")] == [
        f"{minute(number).minute:02}" for number in (11, 4)
    ]
    assert ("credit_grant.depleted", "g", 0, 0) in story.notifications()


def test_a_grant_that_expires_or_is_voided_keeps_what_is_held_until_the_hold_ends(story):
    moves = story.tell(
        at(0, grant, 10, "one", grantId="expiring", priority=1, expireAt=minute(10)),
        at(0, grant, 10, "two", grantId="voided", priority=2),
        at(1, reserve, 6, "a", "hold-a", ttlSeconds=7200),
        at(2, reserve, 7, "b", "hold-b", ttlSeconds=1800),
        at(3, void, "voided", "take"),
        at(20, settle, 4, "a", "pay"),
        at(40, grant, 1, "three", grantId="new"),
    )
    assert moves[2:] == [
        ("VOIDED", "voided", -7, 3, "take"),
        ("CONSUMED", "expiring", -4, 20, "pay"),
        ("EXPIRED", "expiring", -2, 20, None),
        ("EXPIRED", "expiring", -4, 32, None),
        ("VOIDED", "voided", -3, 32, None),
        ("GRANTED", "new", 1, 40, "three"),
    ]
    assert holds(story) == [("a", 1, 6, [("expiring", "6")]), ("b", 3, 7, [("expiring", "4"), ("voided", "3")])]


def test_a_hold_can_be_extended_and_released_and_its_name_is_taken_for_good(story):
    moves = story.tell(
        at(0, grant, 10, "give", grantId="g", expireAt=minute(3000)),
        at(1, reserve, 10, "r", "hold", ttlSeconds=600),
        at(5, extend, "r", "longer", expiresAt=minute(60)),
        at(6, extend, "r", "too-long", ttlSeconds=24 * 3600 + 1),
        at(30, reserve, 1, "r", "again"),
        at(31, release, "r", "let-go"),
        at(32, reserve, 1, "r", "and-again"),
        at(33, release, "s", "unknown"),
        at(34, reserve, 4, "open", "open", ttlSeconds=86400),
        at(35, consume, 6, "use"),
    )
    assert moves[1:] == [("CONSUMED", "g", -6, 35, "use")]
    assert [hold[:3] for hold in holds(story)] == [("r", 2, 10), ("open", 0, 4)]
    assert story.codes() == {
        "too-long": "invalid_ttl",
        "again": "reservation_exists",
        "and-again": "reservation_exists",
        "unknown": "unknown_reservation",
    }
    assert due(story) == [34 + 24 * 60]


def test_holds_that_do_not_add_up_stop_the_worker_with_the_accounts_name(story):
    story.tell(at(0, grant, 10, "give"), at(1, reserve, 4, "r", "hold"))
    story.drawdown.workers[-1].terminate()
    with story.drawdown.owner() as owner:
        owner.execute("update drawdown.hold set amount = 3 where customer_id = 'acme'")
    worker = story.drawdown.worker("b").start()
    story.drawdown.client.produce("commands", consume("acme", 1), timestamp=round(minute(2).timestamp() * 1000))
    story.drawdown.client.flush()
    assert worker.wait() == 2
    assert "account acme/ai-tokens/ is corrupt" in worker.log_text()
