"""What readers get: views and functions, and the rights of the roles.

Method: rows are written into the tables as the engine would leave them at some moment; the views and functions must say
what follows from them now. No worker runs.
"""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import psycopg
import pytest
from support.events import CURRENCY

NOW = datetime.now(timezone.utc).replace(microsecond=0)
BEGUN, PAST, SOON, LATER = (NOW + timedelta(hours=hours) for hours in (-2, -1, 12, 24))
VIEWS = ("accounts", "grants", "holds", "ledger")


def microseconds(time):
    return time and round(time.timestamp()) * 1_000_000


def open_grant(grant_id, remaining, status="ACTIVE", amount=None, effective_at=BEGUN, expire_at=None, end_kind=0):
    """A grant among the account's open ones."""
    return dict(
        grant_id=grant_id,
        remaining=Decimal(remaining),
        status=status,
        amount=Decimal(amount or remaining),
        effective_at=effective_at,
        expire_at=expire_at,
        end_kind=end_kind,
    )


def hold(reservation_id, parts, expires_at=SOON, state=0):
    return dict(reservation_id=reservation_id, parts=parts, expires_at=expires_at, state=state)


class Owner:
    """Writes rows as the owner of the schema."""

    def __init__(self, url):
        self.connection = psycopg.connect(url, autocommit=True)

    def insert(self, table, **values):
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        self.connection.execute(f"insert into drawdown.{table} ({names}) values ({marks})", list(values.values()))

    def entry(self, seq, balance_before, recorded_at, event_time=BEGUN):
        """A grant of 1 to acme."""
        self.insert(
            "ledger_entry",
            **dict(customer_id="acme", currency_id=CURRENCY, seq=seq, first_seq=seq, last_seq=seq, event_type=1, outcome=1),
            **dict(grant_id=f"a{seq}", idempotency_key=f"k{seq}", amount=1, grant_remaining=1),
            **dict(balance_before=balance_before, balance_after=balance_before + 1),
            **dict(source_topic="t", source_partition=0, source_offset=seq, source_timestamp=PAST),
            event_time=event_time,
            recorded_at=recorded_at,
        )

    def account(self, customer, grants=(), holds=(), resource="", **columns):
        """An account whose sums are those of its grants and holds."""
        key = dict(customer_id=customer, currency_id=CURRENCY, resource_id=resource)
        posted = [g for g in grants if g["status"] not in ("SCHEDULED", "PAYMENT_PENDING")]
        balance = sum(g["remaining"] for g in posted)
        granted = sum(g["amount"] for g in posted if not g["grant_id"].startswith("overdraft:"))
        state = [
            {
                "grantId": g["grant_id"],
                "grantType": "OVERDRAFT" if g["grant_id"].startswith("overdraft:") else "PAID",
                "status": g["status"],
                "remaining": str(g["remaining"]),
                "priority": 0,
                "effectiveAt": microseconds(g["effective_at"]),
                "expireAt": microseconds(g["expire_at"]),
                "createdAt": microseconds(BEGUN),
                "ordinal": ordinal,
            }
            for ordinal, g in enumerate(grants, 1)
        ]
        self.insert(
            "account",
            **key,
            balance=balance,
            held=sum(sum(map(Decimal, h["parts"].values())) for h in holds if h["state"] == 0),
            granted=granted,
            consumed=granted - balance,
            seq=1 if posted else 0,
            clock=PAST,
            grants_made=len(grants),
            holds_made=len(holds),
            open_grants=json.dumps(state),
            **columns,
        )
        for ordinal, g in enumerate(grants, 1):
            is_overdraft = g["grant_id"].startswith("overdraft:")
            self.insert(
                "credit_grant",
                **key,
                grant_id=g["grant_id"],
                grant_type=2 if is_overdraft else 1,
                amount=0 if is_overdraft else g["amount"],
                priority=0,
                effective_at=g["effective_at"],
                expire_at=g["expire_at"],
                created_at=BEGUN,
                ordinal=ordinal,
                end_kind=g["end_kind"],
                ended_at=PAST if g["end_kind"] else None,
            )
        for ordinal, h in enumerate(holds, 1):
            self.insert(
                "hold",
                **key,
                reservation_id=h["reservation_id"],
                amount=sum(map(Decimal, h["parts"].values())),
                parts=json.dumps([{"grantId": name, "amount": amount} for name, amount in h["parts"].items()]),
                created_at=BEGUN,
                expires_at=h["expires_at"],
                closed_at=PAST if h["state"] else None,
                state=h["state"],
                ordinal=ordinal,
            )


@pytest.fixture
def drawdown(install):
    return install(topics=False)


@pytest.fixture
def owner(drawdown):
    owner = Owner(drawdown.owner_url)
    yield owner
    owner.connection.close()


def ask(drawdown, customer, requested=None, resource=None):
    (answer,) = drawdown.books.query(
        "select * from drawdown.get_credit_entitlement(%s, %s, %s, %s)", customer, CURRENCY, resource, requested
    )
    return answer


CASES = {
    "plain": ([open_grant("a", 50, expire_at=LATER), open_grant("b", 30)], [], 80, 0, LATER),
    "forever": ([open_grant("a", 50)], [], 50, 0, None),
    "past its end but not expired yet": ([open_grant("a", 50, expire_at=PAST), open_grant("b", 30)], [], 30, 0, None),
    "scheduled": ([open_grant("a", 50, "SCHEDULED", effective_at=SOON, expire_at=LATER)], [], 0, 0, SOON),
    "its time has come": ([open_grant("a", 50, "SCHEDULED", expire_at=SOON), open_grant("b", 1)], [], 51, 0, SOON),
    "its time has come and gone": ([open_grant("a", 50, "SCHEDULED", expire_at=PAST)], [], 0, 0, None),
    "unpaid": ([open_grant("a", 50, "PAYMENT_PENDING", expire_at=SOON), open_grant("b", 1)], [], 1, 0, None),
    "held": ([open_grant("a", 50, expire_at=LATER)], [hold("r", {"a": "20"})], 30, 20, SOON),
    "held and past its end": ([open_grant("a", 50, expire_at=PAST)], [hold("r", {"a": "20"})], 0, 20, SOON),
    "all held of an expired one": (
        [open_grant("a", 20, "EXPIRED", 50, expire_at=PAST, end_kind=2), open_grant("b", 5)],
        [hold("r", {"a": "20"})],
        5,
        20,
        SOON,
    ),
    "a hold that has run out": ([open_grant("a", 50)], [hold("r", {"a": "20"}, PAST)], 50, 0, None),
    "run out, back to an expired one": (
        [open_grant("a", 20, "EXPIRED", 50, expire_at=PAST, end_kind=2), open_grant("b", 5)],
        [hold("r", {"a": "20"}, PAST)],
        5,
        0,
        None,
    ),
    "run out, back to a voided one": (
        [open_grant("a", 20, "VOIDED", 50, expire_at=LATER, end_kind=3), open_grant("b", 5)],
        [hold("r", {"a": "15"}, PAST), hold("s", {"a": "5", "b": "1"}, LATER)],
        4,
        6,
        LATER,
    ),
    "closed holds keep nothing": (
        [open_grant("a", 50)],
        [hold("r", {"a": "20"}, state=1), hold("s", {"a": "20"}, state=2), hold("t", {"a": "20"}, state=3)],
        50,
        0,
        None,
    ),
    "overdrawn": ([open_grant("overdraft:x", -7)], [], -7, 0, None),
    "overdrawn, and credits are due": (
        [open_grant("a", 50, "SCHEDULED"), open_grant("overdraft:x", -7)],
        [],
        43,
        0,
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_spendable_is_what_the_books_would_say_if_the_engine_came_by_now(drawdown, owner, case):
    grants, holds, spendable, held, next_change_at = CASES[case]
    owner.account("acme", grants, holds)
    owner.account("zeta", [open_grant("other", 1000)], [hold("r", {"other": "500"})])
    owner.account("acme", [open_grant("of-team", 1000)], [hold("r", {"of-team": "500"})], resource="team-1")
    answer = ask(drawdown, "acme")
    assert (answer["spendable"], answer["held"], answer["next_change_at"]) == (spendable, held, next_change_at)
    assert answer["is_granted"] == (spendable > 0)
    assert ask(drawdown, "acme", max(spendable, 0))["is_granted"] == (spendable >= 0)
    assert ask(drawdown, "acme", max(spendable, 0) + Decimal("0.000000000001"))["reason"] == "insufficient_credits"
    assert ask(drawdown, "acme", 500, "team-1")["is_granted"] and not ask(drawdown, "acme", 501, "team-1")["is_granted"]


def test_a_question_that_cannot_be_answered_has_a_reason(drawdown, owner):
    owner.account("acme", [open_grant("a", 50)])
    assert ask(drawdown, "nobody", 1)["reason"] == ask(drawdown, "nobody")["reason"] == "unknown_account"
    assert ask(drawdown, "acme", -1)["reason"] == ask(drawdown, "acme", Decimal("NaN"))["reason"] == "invalid_amount"
    assert ask(drawdown, "nobody")["spendable"] == 0 and ask(drawdown, "acme")["reason"] is None


def test_policies_are_the_accounts_own_else_the_currencys_else_allow(drawdown, owner):
    def policies(customer):
        answer = ask(drawdown, customer, 1)
        (row,) = drawdown.books.query("select * from drawdown.accounts where customer_id = %s", customer) or [answer]
        assert (row["over_limit"], row["overdraft_limit"]) == (answer["over_limit"], answer["overdraft_limit"])
        return answer["over_limit"], answer["overdraft_limit"], row.get("thresholds")

    low, fifth = [{"amount": "5", "hysteresis": 10}], [{"percent": 20, "hysteresis": 0}]
    owner.account("plain", [open_grant("a", 50)])
    owner.account("own", [open_grant("a", 50)], overrides=json.dumps({"overLimit": "cap", "thresholds": low}))
    owner.account("limited", [open_grant("a", 50)], overrides=json.dumps({"overdraftLimit": "0"}))
    owner.account("silent", [open_grant("a", 50)], overrides=json.dumps({"thresholds": []}))
    assert policies("plain") == ("allow", None, [])
    assert policies("own") == ("cap", None, low)
    assert policies("nobody")[:2] == ("allow", None)
    owner.insert(
        "currency", currency_id=CURRENCY, over_limit="reject", overdraft_limit=10, thresholds=json.dumps(fifth)
    )
    assert policies("plain") == ("reject", 10, fifth)
    assert policies("own") == ("cap", 10, low)
    assert policies("limited") == ("reject", 0, fifth)
    assert policies("silent") == ("reject", 10, [])
    assert policies("nobody")[:2] == ("reject", 10)


def test_grants_have_their_status_as_of_now_and_what_is_held_of_them(drawdown, owner):
    grants = [
        open_grant("active", 50, expire_at=LATER),
        open_grant("over", 10, expire_at=PAST),
        open_grant("scheduled", 11, "SCHEDULED", effective_at=SOON),
        open_grant("due", 12, "SCHEDULED"),
        open_grant("unpaid", 13, "PAYMENT_PENDING"),
        open_grant("unpaid-for-good", 13, "PAYMENT_PENDING", expire_at=PAST),
        open_grant("expired-held", 20, "EXPIRED", 50, expire_at=PAST, end_kind=2),
        open_grant("voided-held", 5, "VOIDED", 50, expire_at=PAST, end_kind=3),
        open_grant("overdraft:x", -7),
    ]
    holds = [
        hold("r", {"active": "20", "expired-held": "20"}),
        hold("s", {"active": "1.5", "voided-held": "5"}, PAST),
        hold("t", {"active": "4"}, state=1),
    ]
    owner.account("acme", grants, holds)
    ended = dict(customer_id="acme", currency_id=CURRENCY, amount=9, priority=0, created_at=BEGUN, effective_at=BEGUN)
    for end_kind, expire_at in ((1, None), (2, PAST), (3, None)):
        owner.insert(
            "credit_grant",
            **ended,
            grant_id=f"end-{end_kind}",
            grant_type=0,
            ordinal=20 + end_kind,
            expire_at=expire_at,
            end_kind=end_kind,
            ended_at=PAST,
        )
    rows = drawdown.books.query("select * from drawdown.grants where customer_id = 'acme'")
    assert {row["grant_id"]: (row["status"], row["remaining"], row["held"]) for row in rows} == {
        "active": ("ACTIVE", 50, Decimal("21.5")),
        "over": ("EXPIRED", 10, 0),
        "scheduled": ("SCHEDULED", 11, 0),
        "due": ("ACTIVE", 12, 0),
        "unpaid": ("PAYMENT_PENDING", 13, 0),
        "unpaid-for-good": ("EXPIRED", 13, 0),
        "expired-held": ("EXPIRED", 20, 20),
        "voided-held": ("VOIDED", 5, 5),
        "overdraft:x": ("ACTIVE", -7, 0),
        "end-1": ("ACTIVE", 0, 0),
        "end-2": ("EXPIRED", 0, 0),
        "end-3": ("VOIDED", 0, 0),
    }
    (account,) = drawdown.books.query("select * from drawdown.accounts")
    assert account["held"] == sum(row["held"] for row in rows) == Decimal("46.5")
    assert account["spendable"] == account["balance"] - account["held"]


def test_holds_have_their_state_as_of_now(drawdown, owner):
    states = [hold("open", {"a": "1"}), hold("over", {"a": "2"}, PAST)]
    states += [hold(name, {"a": "4"}, state=state) for state, name in enumerate(("settled", "released", "run-out"), 1)]
    owner.account("acme", [open_grant("a", 50)], states, resource="team-1")
    rows = drawdown.books.query("select * from drawdown.holds where customer_id = 'acme' order by ordinal")
    assert [(row["reservation_id"], row["state"], row["is_open"], row["amount"]) for row in rows] == [
        ("open", "OPEN", True, 1),
        ("over", "RUN_OUT", True, 2),
        ("settled", "SETTLED", False, 4),
        ("released", "RELEASED", False, 4),
        ("run-out", "RUN_OUT", False, 4),
    ]
    assert {row["resource_id"] for row in rows} == {"team-1"} and rows[0]["parts"] == [{"grantId": "a", "amount": "1"}]


def test_balance_as_of_goes_by_the_time_of_recording(drawdown, owner):
    owner.account("acme", [open_grant("a", 5)])
    owner.connection.execute("update drawdown.account set seq = 5")
    # event_time runs against recorded_at; two entries at one time
    minutes, balance = [0, 1, 1, 7, 8], 0
    for seq, minute in enumerate(minutes, 1):
        owner.entry(seq, balance, PAST + timedelta(minutes=minute), event_time=PAST - timedelta(minutes=minute))
        balance += 1

    def as_of(minute, customer="acme", resource=None):
        moment = PAST + timedelta(minutes=minute)
        (row,) = drawdown.books.query(
            "select drawdown.balance_as_of(%s, %s, %s, %s) as balance", customer, CURRENCY, resource, moment
        )
        return row["balance"]

    asked = (-1, -0.01, 0, 0.5, 0.99, 1, 1.5, 6.99, 7, 7.5, 8, 100)
    assert [as_of(minute) for minute in asked] == [sum(m <= minute for m in minutes) for minute in asked]
    assert as_of(100, "nobody") == as_of(100, resource="team-1") == 0


def test_readers_may_read_and_operators_may_set_currencies_and_neither_may_more(drawdown, owner):
    owner.account("acme", [open_grant("a", 1)], [hold("r", {"a": "0.5"})])
    owner.entry(1, 0, PAST)
    tables = "account credit_grant ledger_entry hold receipt due parked input_position setting transfer reversal".split()
    write = "insert into drawdown.currency (currency_id) values ('x')"

    def is_refused(statement):
        try:
            with owner.connection.transaction(force_rollback=True):
                owner.connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
        return False

    owner.connection.execute("grant drawdown_reader, drawdown_operator to drawdown_owner")
    owner.connection.execute("set role drawdown_reader")
    for view in (*VIEWS, "currency"):
        assert not is_refused(f"select * from drawdown.{view}"), view
    assert not is_refused("select * from drawdown.get_credit_entitlement('acme', 'ai-tokens', null, 1)")
    assert not is_refused("select drawdown.balance_as_of('acme', 'ai-tokens', null, now())")
    assert is_refused(write)
    for table in tables:
        assert is_refused(f"select * from drawdown.{table}") and is_refused(f"delete from drawdown.{table}"), table
    owner.connection.execute("set role drawdown_operator")
    assert not is_refused(write) and not is_refused("update drawdown.currency set over_limit = 'cap'")
    assert is_refused("delete from drawdown.currency")
    assert not is_refused("select * from drawdown.parked")  # whom to release
    for table in tables:
        assert is_refused(f"delete from drawdown.{table}"), table
        assert table == "parked" or is_refused(f"select * from drawdown.{table}"), table
    owner.connection.execute("reset role")


def test_every_view_and_function_for_readers_says_what_it_is(drawdown):
    rows = drawdown.books.query(
        "select relname as name, obj_description(c.oid, 'pg_class') as said from pg_class c"
        " where relkind = 'v' and relnamespace = 'drawdown'::regnamespace union all"
        " select proname, obj_description(p.oid, 'pg_proc') from pg_proc p where pronamespace = 'drawdown'::regnamespace"
    )
    said = {row["name"]: row["said"] for row in rows}
    assert set(VIEWS) | {"get_credit_entitlement", "balance_as_of"} <= said.keys()
    assert all(said.values()), said
