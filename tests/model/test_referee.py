"""The referee against worked examples of the rules, by their numbers in worker/core/RULES.md. No servers.

Method: `at(hours, event...)` hands events to a referee as records of that time; what it makes of them is looked at.
"""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from model.account import Currency
from model.contract import Threshold
from model.referee import Referee
from support.client import Record, encode_json
from support.events import command, consume, grant, void

START = datetime(2026, 8, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
DAY = 24 * HOUR


class Bench:
    def __init__(self, **rules):
        self.referee = Referee(**rules)
        self.offset = 0

    def at(self, hours, *events, topic="commands"):
        """The last event's answer."""
        for item in events:
            raw = item if isinstance(item, bytes) else encode_json(item)
            time = round((START + hours * HOUR).timestamp() * 1000)
            answer = self.referee.handle(Record(topic, 0, self.offset, time, "acme", raw))
            self.offset += 1
        return answer

    def code(self, hours, *events, topic="commands"):
        answer = self.at(hours, *events, topic=topic)
        return answer.code or answer.outcome

    def account(self, resource=None, currency="ai-tokens"):
        return self.referee.accounts["acme", currency, resource]

    def moves(self, since=1):
        """What was written from that seq on: (type, grant, amount)."""
        return [
            (entry["eventType"].removeprefix("CREDITS_").removeprefix("CONSUMPTION_"), entry["grantId"], entry["amount"])
            for entry in self.referee.entries
            if entry["seq"] >= since
        ]

    def told(self):
        return [
            (item["type"].removeprefix("credit_"), item["grantId"] or item["level"], item["amount"])
            for item in self.referee.notifications
        ]

    def spendable(self):
        return self.account().spendable


@pytest.fixture
def bench():
    return Bench(currencies={"ai-tokens": Currency(grace=HOUR)})


def policy(**settings):
    return Bench(currencies={"ai-tokens": Currency(**settings)})


def reserve(amount, reservation="r", **fields):
    return command("acme", "reserve", reservationId=reservation, amount=Decimal(amount), **fields)


def settle(amount, reservation="r", **fields):
    return command("acme", "settle", reservationId=reservation, amount=Decimal(amount), **fields)


def release(reservation="r", **fields):
    return command("acme", "release", reservationId=reservation, **fields)


def extend(reservation="r", **fields):
    return command("acme", "extend", reservationId=reservation, **fields)


def reverse(key, amount=None, **fields):
    return command("acme", "reverse", reversedKey=key, amount=amount, **fields)


def configure(**fields):
    return command("acme", "configure", **fields)


# ---- 1, 3, 4, 5 ----


def test_the_burn_order_of_the_example(bench):
    september, august = START + 31 * DAY, START + 14 * DAY
    bench.at(
        0,
        grant("acme", 50, grantId="A", priority=1, expireAt=september),
        grant("acme", 20, grantId="B", priority=1, expireAt=september, grantType="PROMOTIONAL"),
        grant("acme", 100, grantId="C", priority=2, expireAt=august, grantType="PROMOTIONAL"),
        consume("acme", 60),
    )
    assert bench.moves(4) == [("CONSUMED", "B", -20), ("CONSUMED", "A", -40)]


def test_ties_burn_by_start_then_creation(bench):
    bench.at(
        0,
        grant("acme", 1, grantId="z-first"),
        grant("acme", 1, grantId="a-second"),
        grant("acme", 1, grantId="early", effectiveAt=START - HOUR),
        grant("acme", 1, grantId="ends", expireAt=START + HOUR),
        consume("acme", 4),
    )
    assert [name for _, name, _ in bench.moves(5)] == ["ends", "early", "z-first", "a-second"]


def test_late_usage_from_before_the_end_counts_within_the_grace(bench):
    bench.at(0, grant("acme", 10, grantId="g", expireAt=START + HOUR))
    bench.at(1.5, consume("acme", 1, createdAt=START + HOUR / 2), consume("acme", 2, createdAt=START + HOUR))
    assert bench.moves(2) == [("CONSUMED", "g", -1), ("CONSUMED", "overdraft:1", -2)]
    bench.at(2, consume("acme", 3, createdAt=START))
    assert bench.moves(4) == [("EXPIRED", "g", -9), ("CONSUMED", "overdraft:1", -3)]
    expired = bench.referee.entries[3]
    assert (expired["idempotencyKey"], expired["eventTime"], expired["recordedAt"]) == (None, *[START + 2 * HOUR] * 2)


def test_time_does_what_is_due_in_its_order_posting_then_expiry_then_holds():
    bench = policy()
    at = START + HOUR
    bench.at(
        0,
        grant("acme", 5, grantId="old", expireAt=at),
        reserve(2, ttlSeconds=3600),
        grant("acme", 7, grantId="new", effectiveAt=at),
    )
    bench.at(3, void("acme", "none"))
    assert bench.moves(2) == [("GRANTED", "new", 7), ("EXPIRED", "old", -3), ("EXPIRED", "old", -2)]
    assert {entry["recordedAt"] for entry in bench.referee.entries[1:]} == {at}
    assert [(entry["firstSeq"], entry["lastSeq"]) for entry in bench.referee.entries[1:]] == [(2, 2), (3, 3), (4, 4)]
    assert bench.account().clock == START + 3 * HOUR


def test_credits_first_pay_the_deficit_and_a_later_deficit_is_another_overdraft(bench):
    bench.at(0, grant("acme", 1, grantId="a"), consume("acme", 4), grant("acme", 5, grantId="b"), consume("acme", 3))
    assert bench.moves(2) == [
        ("CONSUMED", "a", -1),
        ("CONSUMED", "overdraft:1", -3),
        ("GRANTED", "b", 5),
        ("TRANSFER_SOURCE", "overdraft:1", 3),
        ("TRANSFER_TARGET", "b", -3),
        ("CONSUMED", "b", -2),
        ("CONSUMED", "overdraft:2", -1),
    ]
    last = bench.referee.entries[-1]
    assert (last["firstSeq"], last["lastSeq"], last["balanceBefore"], last["balanceAfter"]) == (7, 8, 0, -1)


@pytest.mark.parametrize(
    "settings, answer, balance",
    [
        ({"over_limit": "allow"}, ("applied", None, 15), -5),
        ({"over_limit": "allow", "overdraft_limit": Decimal(5)}, ("applied", None, 15), -5),
        ({"over_limit": "allow", "overdraft_limit": Decimal("4.999999999999")}, ("rejected", "overdraft_limit", 0), 10),
        ({"over_limit": "cap"}, ("partial", None, 10), 0),
        ({"over_limit": "reject"}, ("rejected", "insufficient_credits", 0), 10),
    ],
)
def test_over_the_limit_the_policy_decides(settings, answer, balance):
    bench = policy(**settings)
    found = bench.at(0, grant("acme", 10), consume("acme", 15))
    assert (found.outcome, found.code, found.appliedAmount) == answer
    assert found.balance == balance


def test_capped_to_nothing_is_partial_without_an_entry():
    bench = policy(over_limit="cap")
    found = bench.at(0, grant("acme", 10), consume("acme", 10), consume("acme", 1, "none"))
    assert (found.outcome, found.appliedAmount, found.has_entries) == ("partial", 0, False)
    assert bench.code(0, reverse("none")) == "already_reversed"


def test_settings_of_the_account_go_over_those_of_the_currency(bench):
    bench.at(0, grant("acme", 10), configure(overLimit="allow", overdraftLimit=Decimal(2)))
    assert bench.code(0, consume("acme", 13)) == "overdraft_limit"
    assert bench.code(0, consume("acme", 12)) == "applied"
    assert bench.code(0, configure(overLimit="reject"), consume("acme", 1)) == "insufficient_credits"
    assert bench.code(0, configure(), consume("acme", 1000)) == "applied"


# ---- 6, 7, 8, 15, 16 ----


def test_the_same_key_means_the_same_or_is_a_conflict(bench):
    bench.at(0, grant("acme", 10, "k", grantId="g"))
    first = bench.at(0, consume("acme", "1.5", "k", dimensions={"n": 1}))
    again = bench.at(1, consume("acme", "1.50", "k", dimensions={"n": Decimal("1.0")}, createdAt=START))
    assert (again.outcome, again.firstSeq, again.balance) == ("duplicate", first.firstSeq, Decimal("8.5"))
    assert bench.code(1, consume("acme", 2, "k")) == "conflict"
    assert bench.code(1, grant("acme", 10, "k", grantId="other")) == "conflict"
    assert bench.account().clock == START, "neither advances the account"


def test_a_reserve_without_an_end_means_an_hour(bench):
    bench.at(0, grant("acme", 10), reserve(1, key="k"))
    assert bench.code(0, reserve(1, key="k", ttlSeconds=3600)) == "duplicate"
    assert bench.code(0, reserve(1, key="k", ttlSeconds=3601)) == "conflict"


def test_what_the_record_alone_decides_comes_in_its_order_and_leaves_no_receipt(bench):
    old = START - 31 * DAY
    wrong = {"grantId": "overdraft:x", "effectiveAt": START, "expireAt": START}
    assert bench.code(0, grant("acme", 1, "k", createdAt=old, **wrong), topic="usage") == "not_permitted"
    assert bench.code(0, grant("acme", 1, "k", createdAt=old, **wrong)) == "too_old"
    assert bench.code(0, grant("acme", 1, "k", createdAt=START + HOUR, **wrong)) == "in_the_future"
    assert bench.code(0, grant("acme", 1, "k", **wrong)) == "reserved_id"
    assert bench.code(0, grant("acme", 1, "k", **wrong | {"grantId": "g"})) == "invalid_period"
    assert bench.code(0, command("acme", "advance", "k", dueAt=START + HOUR)) == "not_due"
    assert not bench.referee.accounts
    assert bench.code(0, grant("acme", 1, "k", grantId="g")) == "applied"


def test_a_grant_is_refused_in_this_order():
    bench = Bench(grants_open_max=2)
    most = Decimal("99999999999999999999999999.999999999999")
    bench.at(0, grant("acme", most, grantId="a"), grant("acme", 1, grantId="b", effectiveAt=START - HOUR))
    assert bench.referee.answers["commands", 0, 1].code == "balance_out_of_range"
    bench.at(0, grant("acme", 1, grantId="e", resourceId="team"))
    assert bench.code(0, grant("acme", most, grantId="e", expireAt=START)) == "grant_exists"
    assert bench.code(0, grant("acme", most, grantId="c", expireAt=START)) == "already_expired"
    bench.at(0, void("acme", "a"), configure(overLimit="allow"))
    assert bench.code(0, grant("acme", "0.000000000001", grantId="c")) == "balance_out_of_range", "a void gives none back"
    full = Bench(grants_open_max=1)
    full.at(0, grant("acme", most, effectiveAt=START + HOUR))
    assert full.code(0, grant("acme", most, grantId="c")) == "too_many_grants"


def test_a_grant_that_awaits_its_payment_is_posted_when_it_is_confirmed(bench):
    pending = {"awaitPaymentConfirmation": True}
    bench.at(0, grant("acme", 10, grantId="g", **pending), consume("acme", 3))
    assert bench.moves() == [("CONSUMED", "overdraft:1", -3)]
    bench.at(1, command("acme", "confirm-payment", grantId="g"))
    assert bench.moves(2) == [("GRANTED", "g", 10), ("TRANSFER_SOURCE", "overdraft:1", 3), ("TRANSFER_TARGET", "g", -3)]
    assert bench.code(1, command("acme", "confirm-payment", grantId="g")) == "grant_not_pending"
    assert bench.code(1, command("acme", "confirm-payment", grantId="h")) == "unknown_grant"
    bench.at(1, grant("acme", 5, grantId="later", effectiveAt=START + 3 * HOUR, **pending))
    assert bench.at(2, command("acme", "confirm-payment", grantId="later")).appliedAmount == 0
    bench.at(3, grant("acme", 5, grantId="never-paid", expireAt=START + 4 * HOUR, **pending))
    bench.at(6, consume("acme", 1))
    assert bench.moves(5) == [("GRANTED", "later", 5), ("CONSUMED", "g", -1)]
    assert ("grant.expired", "never-paid", 0) in bench.told()


def test_void_takes_what_is_left_and_says_why_not(bench):
    bench.at(
        0,
        grant("acme", 10, grantId="g"),
        grant("acme", 1, grantId="used-up", priority=-1, expireAt=START + HOUR),
        grant("acme", 10, grantId="tomorrow", effectiveAt=START + DAY),
        grant("acme", 10, grantId="elsewhere", resourceId="team"),
        consume("acme", 3),
    )
    assert bench.at(0, void("acme", "g")).appliedAmount == 8
    assert bench.code(0, void("acme", "g")) == "grant_not_active"
    assert bench.at(0, void("acme", "tomorrow")).has_entries is False
    assert bench.code(0, void("acme", "elsewhere")) == "unknown_grant"
    assert bench.code(0, void("acme", "overdraft:1")) == "unknown_grant"
    assert bench.code(0, consume("acme", 1), void("acme", "overdraft:1")) == "not_voidable"
    assert bench.code(2, void("acme", "used-up")) == "grant_not_active"
    assert bench.account().grants == []


def test_a_currency_is_known_by_its_row_or_by_a_grant_of_the_customer():
    bench = Bench(currencies={"ai-tokens": Currency()})
    assert bench.code(0, consume("acme", 1)) == "applied"
    assert bench.code(0, consume("acme", 1, "k", currencyId="gpu")) == "unknown_currency"
    assert bench.code(0, grant("acme", 1, currencyId="gpu", expireAt=START)) == "already_expired"
    assert bench.code(0, void("acme", "x", currencyId="gpu")) == "unknown_currency"
    assert bench.code(0, grant("acme", 1, currencyId="gpu", resourceId="team")) == "applied"
    assert bench.code(0, consume("acme", 1, currencyId="gpu")) == "applied"
    again = bench.at(0, consume("acme", 1, "k", currencyId="gpu"))
    assert (again.outcome, again.code, again.balance) == ("duplicate", "unknown_currency", None)


def test_what_is_consumed_fits_the_range_before_the_policy_is_asked():
    bench = policy(over_limit="reject")
    bench.at(0, grant("acme", 1, grantId="g"), consume("acme", 1, "k"))
    most = Decimal("99999999999999999999999999")
    assert bench.code(0, consume("acme", most)) == "balance_out_of_range"
    assert bench.code(0, reverse("k"), consume("acme", most)) == "insufficient_credits"


# ---- 9 ----


def test_a_hold_keeps_and_its_settlement_consumes_from_it_first(bench):
    bench.at(0, grant("acme", 5, grantId="a", priority=1), grant("acme", 20, grantId="c", priority=3), reserve(8))
    bench.at(0, grant("acme", 10, grantId="b", priority=2))
    assert (bench.account().balance, bench.spendable()) == (35, 27)
    assert bench.moves(4) == []
    bench.at(0, settle(25))
    assert bench.moves(4) == [("CONSUMED", "a", -5), ("CONSUMED", "c", -10), ("CONSUMED", "b", -10)]
    assert (bench.account().balance, bench.spendable()) == (10, 10)
    assert bench.code(0, settle(1)) == "reservation_closed"


def test_settled_below_the_rest_returns_and_pays_the_deficit(bench):
    bench.at(0, grant("acme", 10, grantId="a"), reserve(10), consume("acme", 4))
    answer = bench.at(0, settle(3))
    assert bench.moves(2) == [
        ("CONSUMED", "overdraft:1", -4),
        ("CONSUMED", "a", -3),
        ("TRANSFER_SOURCE", "overdraft:1", 4),
        ("TRANSFER_TARGET", "a", -4),
    ]
    assert (answer.appliedAmount, answer.firstSeq, answer.lastSeq) == (3, 3, 5)
    assert bench.spendable() == 3


def test_what_a_settlement_is_refused_leaves_the_hold_as_it_is():
    bench = policy(over_limit="reject")
    bench.at(0, grant("acme", 10), reserve(6))
    assert bench.code(0, settle(11)) == "insufficient_credits"
    assert bench.spendable() == 4
    assert bench.code(0, settle(0)) == "applied"
    assert bench.spendable() == 10


def test_holds_are_refused_in_this_order(bench):
    bench.at(0, grant("acme", 10), reserve(5))
    assert bench.code(0, reserve(50, ttlSeconds=0)) == "reservation_exists"
    assert bench.code(0, reserve(50, "s", ttlSeconds=0)) == "invalid_ttl"
    assert bench.code(0, reserve(50, "s", ttlSeconds=86401)) == "invalid_ttl"
    assert bench.code(0, reserve(50, "s", expiresAt=START)) == "invalid_ttl"
    assert bench.code(0, reserve(6, "s", expiresAt=START + DAY)) == "insufficient_credits"
    assert bench.code(0, extend("none", ttlSeconds=0)) == "unknown_reservation"
    assert bench.code(0, extend(ttlSeconds=-1)) == "invalid_ttl"
    assert bench.code(0, release(), reserve(1)) == "reservation_exists"
    assert bench.code(0, extend(ttlSeconds=0)) == "reservation_closed"


def test_a_hold_runs_out_when_its_end_has_come_as_it_was_set_last(bench):
    bench.at(0, grant("acme", 10), reserve(4), reserve(3, "s"), extend("s", ttlSeconds=60), extend(ttlSeconds=7200))
    bench.at(1, consume("acme", 1))
    assert (bench.account().held, bench.account().holds["s"].state) == (4, "run out")
    assert bench.account().holds["s"].closed_at == START + HOUR / 60
    assert bench.code(2, release()) == "reservation_closed"
    assert bench.spendable() == 9


def test_a_grant_that_ends_under_a_hold_loses_the_rest_and_the_held_part_when_it_returns(bench):
    bench.at(0, grant("acme", 10, grantId="g", expireAt=START + HOUR), reserve(6, ttlSeconds=5 * 3600))
    bench.at(3, consume("acme", 1))
    assert bench.moves(2) == [("EXPIRED", "g", -4), ("CONSUMED", "overdraft:1", -1)]
    assert (bench.account().balance, bench.spendable()) == (5, -1)
    bench.at(3, settle(2, key="settled"))
    assert bench.moves(4) == [("CONSUMED", "g", -2), ("EXPIRED", "g", -4)]
    out = bench.referee.entries[-1]
    assert (out["idempotencyKey"], out["firstSeq"], out["lastSeq"], out["requestedAmount"]) == (None, 5, 5, None)
    assert bench.account().grants == []
    assert [item for item in bench.told() if item[0] == "grant.expired"] == [("grant.expired", "g", 4)]


def test_a_grant_that_is_voided_under_two_holds(bench):
    bench.at(0, grant("acme", 10, grantId="g"), reserve(4), reserve(3, "s"))
    assert bench.at(0, void("acme", "g")).appliedAmount == 3
    assert bench.code(0, void("acme", "g")) == "grant_not_active"
    answer = bench.at(0, release(key="let-go"))
    assert bench.moves(3) == [("VOIDED", "g", -4)]
    assert (answer.has_entries, answer.balance) == (False, 3)
    bench.at(0, settle(3, "s"))
    assert bench.moves(4) == [("CONSUMED", "g", -3)]
    assert (bench.account().balance, bench.account().grants) == (0, [])


# ---- 10 ----


def test_a_reversal_returns_in_the_reverse_order_of_the_debits_and_never_more_than_is_left(bench):
    bench.at(0, grant("acme", 5, grantId="a", priority=1), grant("acme", 5, grantId="b", priority=2))
    bench.at(0, consume("acme", 8, "use"))
    bench.at(0, reverse("use", Decimal(4)))
    assert bench.moves(5) == [("REVERSED", "b", 3), ("REVERSED", "a", 1)]
    assert bench.account().consumed == 4
    assert bench.code(0, reverse("use", Decimal(5))) == "exceeds_consumption"
    assert bench.at(0, reverse("use")).appliedAmount == 4
    assert bench.moves(7) == [("REVERSED", "a", 4)]
    assert bench.code(0, reverse("use")) == "already_reversed"
    assert bench.code(0, reverse("other")) == "unknown_key"
    assert bench.code(0, reverse("use", resourceId="team")) == "unknown_key"


def test_a_consumption_is_reversed_within_the_window_of_its_record():
    bench = Bench(window=DAY)
    bench.at(0, grant("acme", 5), consume("acme", 2, "use"))
    assert bench.code(24.001, reverse("use", Decimal(1))) == "unknown_key"
    assert bench.code(24, reverse("use", Decimal(1))) == "applied"


def test_what_went_into_an_overdraft_reduces_it_and_the_settled_part_returns_to_who_settled_it(bench):
    bench.at(0, grant("acme", 2, grantId="a"), consume("acme", 12, "use"))
    bench.at(0, grant("acme", 3, grantId="b"), grant("acme", 4, grantId="c"))
    bench.at(0, reverse("use", Decimal(8)))
    assert bench.moves(10) == [("REVERSED", "overdraft:1", 3), ("REVERSED", "c", 4), ("REVERSED", "b", 1)]
    bench.at(0, reverse("use"))
    assert bench.moves(13) == [("REVERSED", "b", 2), ("REVERSED", "a", 2)]
    assert bench.account().balance == 9
    assert bench.account().overdraft is None


def test_what_returns_pays_the_deficit_of_others(bench):
    bench.at(0, grant("acme", 2, grantId="a"), consume("acme", 2, "use"), consume("acme", 5, "more"), reverse("use"))
    assert bench.moves(4) == [("REVERSED", "a", 2), ("TRANSFER_SOURCE", "overdraft:1", 2), ("TRANSFER_TARGET", "a", -2)]
    bench.at(0, reverse("more"))
    assert bench.moves(7) == [("REVERSED", "overdraft:1", 3), ("REVERSED", "a", 2)]
    assert bench.account().balance == 2


def test_what_returns_to_a_grant_that_ended_goes_out_at_once(bench):
    bench.at(0, grant("acme", 5, grantId="a", expireAt=START + HOUR, priority=1), grant("acme", 5, grantId="b", priority=2))
    bench.at(0, consume("acme", 7, "use"), void("acme", "b"))
    bench.at(9, reverse("use"))
    assert bench.moves(6) == [("REVERSED", "b", 2), ("REVERSED", "a", 5), ("EXPIRED", "a", -5), ("VOIDED", "b", -2)]
    keys = [(entry["idempotencyKey"] is None, entry["firstSeq"], entry["lastSeq"]) for entry in bench.referee.entries[5:]]
    assert keys == [(False, 6, 7)] * 2 + [(True, 8, 9)] * 2
    assert (bench.account().balance, bench.account().consumed) == (0, 0)


def test_a_settlement_is_reversed_like_any_consumption(bench):
    bench.at(0, grant("acme", 5, grantId="a"), reserve(3, key="r-key"), settle(4, key="s-key"))
    assert bench.code(0, reverse("r-key")) == "unknown_key"
    assert bench.at(0, reverse("s-key")).appliedAmount == 4
    assert bench.spendable() == 5


# ---- 12, 13 ----


def test_thresholds_are_armed_above_and_told_once():
    bench = policy(thresholds=(Threshold(Decimal(100), None), Threshold(None, 20)))
    bench.at(0, grant("acme", 105, grantId="g"))
    assert [alert.state for alert in bench.account().alerts] == ["new", "armed", "armed"]
    bench.at(0, grant("acme", 5, grantId="h"))
    assert bench.account().alerts[0].state == "armed", "110 is above by the hysteresis"
    bench.at(0, consume("acme", 10), consume("acme", 1), consume("acme", 77))
    bench.at(0, consume("acme", 30))
    assert bench.told()[2:] == [
        ("balance.low", 100, None),
        ("balance.low", 22, None),
        ("grant.depleted", "g", None),
        ("grant.depleted", "h", None),
        ("balance.depleted", None, None),
    ]
    bench.at(0, grant("acme", 100, grantId="i"))
    assert [alert.state for alert in bench.account().alerts] == ["disarmed", "armed", "armed"]
    bench.at(0, grant("acme", 50, grantId="j"))
    assert bench.told()[-1] == ("balance.recovered", None, None)


def test_a_hold_takes_the_spendable_balance_below_a_threshold(bench):
    bench.at(0, grant("acme", 20), configure(thresholds=[{"amount": 10}]), reserve(10, key="held"))
    told = bench.referee.notifications[-1]
    assert (told["type"], told["threshold"]) == ("credit_balance.low", {"amount": 10, "percent": None})
    assert (told["balance"], told["held"], told["spendable"], told["idempotencyKey"]) == (20, 10, 10, "held")
    bench.at(2, void("acme", "none"))
    told = bench.referee.notifications[-1]
    assert (told["type"], told["idempotencyKey"], told["recordedAt"]) == ("credit_balance.recovered", None, START + HOUR)


def test_a_threshold_that_stays_keeps_its_state_and_one_that_comes_is_new(bench):
    bench.at(0, grant("acme", 20), configure(thresholds=[{"amount": 10}]), consume("acme", 10))
    bench.at(0, configure(thresholds=[{"percent": 90}, {"amount": "10.0", "hysteresis": 0}]))
    assert [(alert.amount, alert.state) for alert in bench.account().alerts] == [(None, "new"), (10, "disarmed"), (0, "armed")]
    bench.at(0, configure(thresholds=[]), configure(thresholds=[{"amount": 10}]))
    assert bench.account().alerts[0].state == "new"


def test_a_percentage_of_nothing_has_no_level_and_is_cut_to_twelve_digits():
    bench = policy(thresholds=(Threshold(None, 33, 0),))
    bench.at(0, consume("acme", 5), grant("acme", 4))
    assert [alert.state for alert in bench.account().alerts] == ["new", "new"]
    bench.at(0, grant("acme", "1.000000000001"), consume("acme", "0.000000000001"))
    assert bench.told()[-1][0] == "balance.depleted"
    bench.at(0, grant("acme", "1.000000000001"), consume("acme", "0.670000000001"))
    low = bench.referee.notifications[-1]
    assert (low["type"], low["level"]) == ("credit_balance.low", Decimal("0.33"))


def test_notifications_are_named_by_account_source_and_ordinal(bench):
    bench.at(0, grant("acme", 3, resourceId="team"), consume("acme", 3, resourceId="team"))
    assert [item["notificationId"] for item in bench.referee.notifications] == [
        "acme/ai-tokens/team/commands/0/0/1",
        "acme/ai-tokens/team/commands/0/1/1",
        "acme/ai-tokens/team/commands/0/1/2",
    ]


# ---- dead letters ----


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (consume("acme", "1e-13"), "invalid_field"),
        (consume("acme", 10**26), "invalid_field"),
        (consume("acme", 0), "invalid_field"),
        (configure(thresholds=[{"amount": 1, "percent": 2}]), "invalid_field"),
        (configure(thresholds=[{"percent": 101}]), "invalid_field"),
        (configure(thresholds=[{"amount": 1}, {"amount": "1.0"}]), "invalid_field"),
        (configure(overdraftLimit=-1), "invalid_field"),
        (reserve(1, ttlSeconds=1, expiresAt=START), "invalid_field"),
        (extend(), "missing_field"),
        (command("acme", "settle", reservationId="r"), "missing_field"),
        (reverse("k", 0), "invalid_field"),
        (command("acme", "spend"), "unknown_type"),
        (b"", "empty"),
    ],
)
def test_what_cannot_be_understood_is_a_dead_letter(bench, wrong, reason):
    assert bench.at(0, wrong).outcome == "dead-lettered"
    assert reason in bench.referee.dead_letters[0][1].reasons
    assert not bench.referee.receipts
