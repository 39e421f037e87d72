"""Reversals: credits go back to where a consumption took them, whatever became of those grants since.

Method: each story is told step by step, with the worker killed in the middle, and again in one batch; both must leave
the same books.
"""

import pytest
from support.events import consume, grant, reserve, reverse, settle, void
from support.story import Story, at, minute


@pytest.fixture
def story(install):
    return Story(install)


def reversed_so_far(story):
    return [row["reversed"] for row in story.rows("reversal", "acme", "first_seq")]


def test_a_consumption_goes_back_last_debit_first_and_used_up_grants_are_open_again(story):
    moves = story.tell(
        at(0, grant, 10, "a", grantId="a", priority=1),
        at(0, grant, 10, "b", grantId="b", priority=2),
        at(0, grant, 10, "c", grantId="c", priority=3),
        at(1, consume, 25, "use"),
        at(2, reverse, "use", 8, "some"),
        at(3, reverse, "use", 18, "too-much"),
        at(4, reverse, "use", None, "rest"),
        at(5, reverse, "use", None, "nothing"),
        at(6, consume, 30, "all"),
    )
    assert moves[6:] == [
        ("REVERSED", "c", 5, 2, "some"),
        ("REVERSED", "b", 3, 2, "some"),
        ("REVERSED", "b", 7, 4, "rest"),
        ("REVERSED", "a", 10, 4, "rest"),
        ("CONSUMED", "a", -10, 6, "all"),
        ("CONSUMED", "b", -10, 6, "all"),
        ("CONSUMED", "c", -10, 6, "all"),
    ]
    assert story.codes() == {"too-much": "exceeds_consumption", "nothing": "already_reversed"}
    assert reversed_so_far(story) == [25]


def test_what_returns_to_a_grant_that_ended_goes_out_at_once(story):
    moves = story.tell(
        at(0, grant, 10, "one", grantId="used-up", priority=1, expireAt=minute(10)),
        at(0, grant, 10, "two", grantId="voided", priority=2),
        at(0, grant, 5, "three", grantId="expired", priority=3, expireAt=minute(15)),
        at(1, consume, 6, "use-1"),
        at(2, consume, 11, "use-2"),
        at(3, consume, 6, "use-3"),
        at(4, void, "voided", "take"),
        at(20, reverse, "use-1", None, "back-1"),
        at(21, reverse, "use-2", 8, "back-2"),
        at(22, reverse, "use-3", None, "back-3"),
    )
    assert moves[3:] == [
        ("CONSUMED", "used-up", -6, 1, "use-1"),
        ("CONSUMED", "used-up", -4, 2, "use-2"),
        ("CONSUMED", "voided", -7, 2, "use-2"),
        ("CONSUMED", "voided", -3, 3, "use-3"),
        ("CONSUMED", "expired", -3, 3, "use-3"),
        ("EXPIRED", "expired", -2, 15, None),
        ("REVERSED", "used-up", 6, 20, "back-1"),
        ("EXPIRED", "used-up", -6, 20, None),
        ("REVERSED", "voided", 7, 21, "back-2"),
        ("REVERSED", "used-up", 1, 21, "back-2"),
        ("EXPIRED", "used-up", -1, 21, None),
        ("VOIDED", "voided", -7, 21, None),
        ("REVERSED", "expired", 3, 22, "back-3"),
        ("REVERSED", "voided", 3, 22, "back-3"),
        ("VOIDED", "voided", -3, 22, None),
        ("EXPIRED", "expired", -3, 22, None),
    ]
    assert story.drawdown.books.balance("acme", "ai-tokens") == 0


def test_a_reversal_reduces_an_overdraft_that_is_open(story):
    moves = story.tell(
        at(0, grant, 10, "give", grantId="g"),
        at(1, consume, 25, "over"),
        at(2, consume, 5, "more"),
        at(3, reverse, "over", 12, "some"),
        at(4, reverse, "over", None, "rest"),
        at(5, consume, 6, "again"),
    )
    assert moves[4:] == [
        ("REVERSED", "overdraft", 12, 3, "some"),
        ("REVERSED", "overdraft", 3, 4, "rest"),
        ("REVERSED", "g", 10, 4, "rest"),
        ("TRANSFER_SOURCE", "overdraft", 5, 4, "rest"),
        ("TRANSFER_TARGET", "g", -5, 4, "rest"),
        ("CONSUMED", "g", -5, 5, "again"),
        ("CONSUMED", "overdraft", -1, 5, "again"),
    ]


def test_what_was_settled_of_an_overdraft_returns_to_those_who_paid_newest_first(story):
    moves = story.tell(
        at(0, grant, 10, "one", grantId="g"),
        at(1, consume, 25, "over"),
        at(2, grant, 6, "two", grantId="h", expireAt=minute(50)),
        at(3, grant, 100, "three", grantId="k"),
        at(4, consume, 91, "all"),
        at(5, reverse, "over", 10, "some"),
        at(60, reverse, "over", 7, "more"),
        at(61, reverse, "over", None, "rest"),
    )
    assert moves[3:] == [
        ("GRANTED", "h", 6, 2, "two"),
        ("TRANSFER_SOURCE", "overdraft", 6, 2, "two"),
        ("TRANSFER_TARGET", "h", -6, 2, "two"),
        ("GRANTED", "k", 100, 3, "three"),
        ("TRANSFER_SOURCE", "overdraft", 9, 3, "three"),
        ("TRANSFER_TARGET", "k", -9, 3, "three"),
        ("CONSUMED", "k", -91, 4, "all"),
        ("REVERSED", "k", 9, 5, "some"),
        ("REVERSED", "h", 1, 5, "some"),
        ("EXPIRED", "h", -1, 50, None),
        ("REVERSED", "h", 5, 60, "more"),
        ("REVERSED", "g", 2, 60, "more"),
        ("EXPIRED", "h", -5, 60, None),
        ("REVERSED", "g", 8, 61, "rest"),
    ]
    transfers = story.rows("transfer", "acme", "seq")
    assert [(row["grant_id"], row["amount"], row["returned"]) for row in transfers] == [("h", 6, 6), ("k", 9, 9)]


def test_what_is_still_owed_is_reversed_before_what_was_paid_of_it(story):
    moves = story.tell(
        at(0, grant, 10, "one", grantId="g"),
        at(1, consume, 25, "over"),
        at(2, grant, 6, "two", grantId="h"),
        at(3, consume, 2, "deeper"),
        at(4, reverse, "over", 12, "some"),
    )
    assert moves[-3:] == [
        ("CONSUMED", "overdraft", -2, 3, "deeper"),
        ("REVERSED", "overdraft", 11, 4, "some"),
        ("REVERSED", "h", 1, 4, "some"),
    ]


def test_a_settled_hold_can_be_reversed_and_what_was_not_taken_cannot(install):
    story = Story(install, over_limit="cap")
    moves = story.tell(
        at(0, grant, 10, "one", grantId="g"),
        at(0, grant, 10, "other", grantId="o", currencyId="gpu-hours"),
        at(1, reserve, 10, "r", "hold", ttlSeconds=3600),
        at(2, consume, 3, "capped"),
        at(3, settle, 12, "r", "pay"),
        at(4, consume, 1, "elsewhere", currencyId="gpu-hours"),
        at(5, reverse, "pay", 4, "back"),
        at(6, reverse, "capped", None, "nothing-taken"),
        at(7, reverse, "elsewhere", None, "of-another-account"),
        at(8, reverse, "one", None, "of-a-grant"),
        at(9, reverse, "hold", None, "of-a-hold"),
    )
    assert [move for move in moves if move[4] in ("pay", "back")] == [
        ("CONSUMED", "g", -10, 3, "pay"),
        ("REVERSED", "g", 4, 5, "back"),
    ]
    assert story.codes() == {
        "nothing-taken": "already_reversed",
        "of-another-account": "unknown_key",
        "of-a-grant": "unknown_key",
        "of-a-hold": "unknown_key",
    }


def test_a_grant_that_the_ledger_names_and_the_books_lost_stops_the_worker(story):
    story.tell(at(0, grant, 10, "give", grantId="g"), at(1, consume, 10, "use"))
    story.drawdown.workers[-1].terminate()
    with story.drawdown.owner() as owner:
        owner.execute("delete from drawdown.credit_grant where customer_id = 'acme'")
    worker = story.drawdown.worker("b").start()
    timestamp = round(minute(2).timestamp() * 1000)
    story.drawdown.client.produce("commands", reverse("acme", "use", None, "back"), timestamp=timestamp)
    story.drawdown.client.flush()
    assert worker.wait() == 2
    assert "account acme/ai-tokens/ is corrupt" in worker.log_text()
