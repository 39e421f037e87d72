"""The rules of the money a second time: slow, obvious, plain Python over exact decimals, nothing of drawdown's code.

`Referee.handle(record)` takes the records of both inputs one by one, in the order in which they count, and keeps the
books that must come of it: `entries` and `balances` in the words of the topics, `answers` by source position.

Which order counts: `in_order_of_time` is the contract where all of the input lay there before the worker began.
`in_order_of_ledger` takes from the ledger only in which order it handled the records of a customer, and insists that it
is one that the partitions allow; all else is computed here.
"""

from __future__ import annotations

import decimal
import heapq
import re
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal

EXACT = decimal.Context(prec=80, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero])
CUSTOMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_|.@-]{0,254}\Z")
CURRENCY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_|.-]{0,254}\Z")
FUTURE_TOLERANCE = timedelta(minutes=5)
GRANTS_OPEN_MAX = 1000


def time_of(record):
    return datetime.fromtimestamp(record.timestamp // 1000, timezone.utc) + timedelta(
        milliseconds=record.timestamp % 1000
    )


def position_of(record):
    return record.topic, record.partition, record.offset


def is_readable(event):
    """Would the contract let this be understood? Only what the tests' own inputs can get wrong."""
    if not isinstance(event, dict) or event.get("type", "consume") not in ("consume", "grant", "void"):
        return False
    kind = event.get("type", "consume")
    if not CUSTOMER.match(event.get("customerId") or "") or not CURRENCY.match(event.get("currencyId") or ""):
        return False
    if not isinstance(event.get("idempotencyKey"), str) or not 1 <= len(event["idempotencyKey"]) <= 255:
        return False
    times = [event.get(name) for name in ("createdAt", "effectiveAt", "expireAt")]
    if any(time is not None and getattr(time, "tzinfo", None) is None for time in times):
        return False
    if kind == "void":
        return isinstance(event.get("grantId"), str)
    if kind == "grant" and event.get("grantType") not in ("PROMOTIONAL", "PAID"):
        return False
    amount = event.get("amount")
    if not isinstance(amount, (int, Decimal)) or isinstance(amount, bool) or amount <= 0:
        return False
    return Decimal(amount).normalize(EXACT).as_tuple().exponent >= -12 and amount < Decimal(10) ** 26


@dataclass
class Grant:
    grant_id: str
    grant_type: str
    remaining: Decimal
    priority: int
    effective_at: datetime
    expire_at: datetime | None
    created_at: datetime
    ordinal: int
    is_posted: bool = False

    def burn_order(self):
        never = datetime.max.replace(tzinfo=timezone.utc)
        kinds = ("PROMOTIONAL", "PAID")
        return (
            self.priority,
            self.expire_at or never,
            kinds.index(self.grant_type),
            self.effective_at,
            self.created_at,
            self.ordinal,
            self.grant_id,
        )


@dataclass
class Account:
    key: tuple  # customer, currency, resource or None
    seq: int = 0
    balance: Decimal = Decimal(0)
    granted: Decimal = Decimal(0)
    consumed: Decimal = Decimal(0)
    clock: datetime | None = None
    grants: list = field(default_factory=list)  # neither used up, nor expired, nor voided
    grants_made: int = 0
    overdraft: Grant | None = None
    overdrafts_made: int = 0
    freshest: tuple | None = None  # source and event time of the newest input that it includes


@dataclass
class Answer:
    """What became of a record; the same names as an outcome's."""

    outcome: str
    event: dict | None = None
    code: str | None = None
    appliedAmount: Decimal = Decimal(0)
    firstSeq: int | None = None
    lastSeq: int | None = None
    balance: Decimal | None = None
    has_entries: bool = False


class Referee:
    def __init__(self, *, window=timedelta(days=30), graces=None, currencies=(), currencies_open=False):
        self.window = window
        self.graces = graces or {}  # {currency: timedelta}
        self.currencies = set(currencies)  # those that a setting names
        self.currencies_open = currencies_open
        self.accounts = {}
        self.receipts = {}  # {(customer, class, key): (content, answer)}
        self.grants = {}  # {(customer, grant id): [account key, grant, "open", "depleted", "expired" or "voided"]}
        self.granted_currencies = set()  # {(customer, currency)}
        self.entries = []
        self.answers = {}
        self.dead_letters = []

    # ---- what the tests ask for ----

    def handle_all(self, records):
        for record in records:
            self.handle(record)
        return self

    def balances(self):
        return {key: account.balance for key, account in self.accounts.items()}

    def entries_by_account(self):
        """In order of customer, currency, resource, seq."""
        return sorted(
            self.entries,
            key=lambda e: (e["customerId"], e["currencyId"], e["resourceId"] or "", e["seq"]),
        )

    # ---- one record ----

    def handle(self, record):
        with decimal.localcontext(EXACT):
            try:
                event = record.value
            except Exception:  # noqa: BLE001 what cannot be read is a dead letter, whatever is wrong with it
                event = None
            if is_readable(event):
                answer = self._decide(record, event)
            else:
                self.dead_letters.append(record)
                answer = Answer("dead-lettered")
            self.answers[position_of(record)] = answer
            return answer

    def _decide(self, record, event):
        kind = event.get("type", "consume")
        if kind == "void":
            event = {name: value for name, value in event.items() if name != "amount"}  # unknown there
        code = self._fault_of_record(record, event, kind)
        if code:
            return Answer("rejected", event, code)

        key = (event["customerId"], "usage" if kind == "consume" else "command", event["idempotencyKey"])
        content = self._content(event, kind)
        if key in self.receipts:
            first_content, first = self.receipts[key]
            if content != first_content:
                return Answer("conflict", event)
            return Answer(
                "duplicate", event, first.code, first.appliedAmount, first.firstSeq, first.lastSeq, first.balance
            )
        answer = self._execute(record, event, kind)
        self.receipts[key] = content, answer
        return answer

    def _fault_of_record(self, record, event, kind):
        now = time_of(record)
        created_at = event.get("createdAt")
        if record.topic.endswith("usage") and kind != "consume":
            return "not_permitted"
        if created_at is not None and created_at < now - self.window:
            return "too_old"
        if created_at is not None and created_at > now + FUTURE_TOLERANCE:
            return "in_the_future"
        if kind == "grant" and (event.get("grantId") or "").startswith("overdraft:"):
            return "reserved_id"
        if kind == "grant" and event.get("effectiveAt") and event.get("expireAt"):
            if event["expireAt"] <= event["effectiveAt"]:
                return "invalid_period"
        return None

    def _content(self, event, kind):
        """What was meant: what makes a second event with the key the same or another."""
        content = {"kind": kind, "currency": event["currencyId"], "resource": event.get("resourceId")}
        if kind == "consume":
            dimensions = event.get("dimensions") or {}
            content["amount"] = Decimal(event["amount"])
            content["dimensions"] = {name: _plain(value) for name, value in dimensions.items()}
        elif kind == "grant":
            content["amount"] = Decimal(event["amount"])
            content |= {name: event.get(name) for name in ("grantType", "grantId", "effectiveAt", "expireAt")}
            content["priority"] = int(event.get("priority") or 0)
            cost = event.get("cost")
            content["cost"] = cost and (Decimal(cost["amount"]), cost["currency"])
        else:
            content["grantId"] = event["grantId"]
        return content

    def _execute(self, record, event, kind):
        customer, currency = event["customerId"], event["currencyId"]
        if kind == "grant":
            pass
        elif not (
            self.currencies_open or currency in self.currencies or (customer, currency) in self.granted_currencies
        ):
            return Answer("rejected", event, "unknown_currency")

        key = (customer, currency, event.get("resourceId"))
        account = self.accounts.setdefault(key, Account(key))
        self._advance(account, record, time_of(record))
        event_time = min(event.get("createdAt") or time_of(record), account.clock)
        moment = Moment(self, account, record, event, event_time)
        code, applied = getattr(self, f"_{kind}")(account, event, moment)
        if code:
            assert not moment.entries
        moment.close()
        account.freshest = position_of(record), event_time
        return Answer(
            "rejected" if code else "applied",
            event,
            code,
            applied,
            moment.entries[0]["seq"] if moment.entries else None,
            moment.entries[-1]["seq"] if moment.entries else None,
            account.balance,
            bool(moment.entries),
        )

    # ---- time ----

    def _advance(self, account, record, now):
        """Bring the account to now: what is due is done as of when it was due."""
        now = now if account.clock is None else max(now, account.clock)
        grace = self.graces.get(account.key[1], timedelta(0))
        while True:
            due = []
            for grant in account.grants:
                if not grant.is_posted:
                    due.append((grant.effective_at, 0, grant.created_at, grant.ordinal, grant))
                elif grant.expire_at is not None:
                    due.append((grant.expire_at + grace, 1, grant.created_at, grant.ordinal, grant))
            due = [step for step in due if step[0] <= now]
            if not due:
                break
            due_at, is_expiry, _, _, grant = min(due, key=lambda step: step[:4])
            account.clock = due_at if account.clock is None else max(due_at, account.clock)
            moment = Moment(self, account, record, None, account.clock)
            if is_expiry:
                moment.write("CREDITS_EXPIRED", grant, -grant.remaining)
                self._end(account, grant, "expired")
            else:
                self._post(account, grant, moment)
            moment.close()
        account.clock = now

    def _post(self, account, grant, moment):
        grant.is_posted = True
        account.granted += grant.remaining
        moment.write("CREDITS_GRANTED", grant, grant.remaining)
        overdraft = account.overdraft
        if overdraft is None or (grant.expire_at is not None and grant.expire_at <= account.clock):
            return
        amount = min(-overdraft.remaining, grant.remaining)
        moment.write("CREDITS_CONSUMPTION_TRANSFER_SOURCE", overdraft, amount)
        moment.write("CREDITS_CONSUMPTION_TRANSFER_TARGET", grant, -amount)
        if overdraft.remaining == 0:
            account.overdraft = None
        if grant.remaining == 0:
            self._end(account, grant, "depleted")

    def _end(self, account, grant, how):
        account.grants.remove(grant)
        self.grants[account.key[0], grant.grant_id][2] = how

    # ---- kinds ----

    def _grant(self, account, event, moment):
        customer, currency, _ = account.key
        amount = Decimal(event["amount"])
        grant_id = event.get("grantId") or "grant/" + event["idempotencyKey"]
        if (customer, grant_id) in self.grants:
            return "grant_exists", Decimal(0)
        if event.get("expireAt") is not None and event["expireAt"] <= account.clock:
            return "already_expired", Decimal(0)
        if len(account.grants) >= GRANTS_OPEN_MAX:
            return "too_many_grants", Decimal(0)
        account.grants_made += 1
        grant = Grant(
            grant_id,
            event["grantType"],
            amount,
            int(event.get("priority") or 0),
            event.get("effectiveAt") or account.clock,
            event.get("expireAt"),
            account.clock,
            account.grants_made,
        )
        account.grants.append(grant)
        self.grants[customer, grant_id] = [account.key, grant, "open"]
        self.granted_currencies.add((customer, currency))
        if grant.effective_at <= account.clock:
            self._post(account, grant, moment)
        return None, amount

    def _consume(self, account, event, moment):
        amount = left = Decimal(event["amount"])
        for grant in sorted(account.grants, key=Grant.burn_order):
            if left == 0:
                break
            if not grant.is_posted or (grant.expire_at is not None and grant.expire_at <= moment.event_time):
                continue
            taken = min(left, grant.remaining)
            moment.write("CREDITS_CONSUMED", grant, -taken)
            left -= taken
            if grant.remaining == 0:
                self._end(account, grant, "depleted")
        if left > 0:
            if account.overdraft is None:
                account.grants_made += 1
                account.overdrafts_made += 1
                account.overdraft = Grant(
                    f"overdraft:{account.overdrafts_made}",
                    "OVERDRAFT",
                    Decimal(0),
                    0,
                    account.clock,
                    None,
                    account.clock,
                    account.grants_made,
                    True,
                )
            moment.write("CREDITS_CONSUMED", account.overdraft, -left)
        account.consumed += amount
        return None, amount

    def _void(self, account, event, moment):
        if event["grantId"].startswith("overdraft:"):
            return "not_voidable", Decimal(0)
        known = self.grants.get((account.key[0], event["grantId"]))
        if known is None or known[0] != account.key:
            return "unknown_grant", Decimal(0)
        _, grant, state = known
        grace = self.graces.get(account.key[1], timedelta(0))
        if state in ("expired", "voided"):
            return "grant_not_active", Decimal(0)
        if state == "depleted":
            if grant.expire_at is not None and grant.expire_at + grace <= account.clock:
                return "grant_not_active", Decimal(0)
            known[2] = "voided"
            return None, Decimal(0)
        taken = Decimal(0)
        if grant.is_posted:
            taken = grant.remaining
            moment.write("CREDITS_VOIDED", grant, -taken)
        self._end(account, grant, "voided")
        return None, taken


class Moment:
    """One event, or one step of an account's advance: the entries that belong together."""

    def __init__(self, referee, account, record, event, event_time):
        self.referee = referee
        self.account = account
        self.record = record
        self.event = event
        self.event_time = event_time
        self.entries = []

    def write(self, event_type, grant, amount):
        account, event = self.account, self.event or {}
        before = account.balance
        account.balance += amount
        account.seq += 1
        if event_type != "CREDITS_GRANTED":
            grant.remaining += amount
        assert amount != 0
        assert grant.remaining <= 0 if grant.grant_type == "OVERDRAFT" else grant.remaining >= 0
        customer, currency, resource = account.key
        requested = Decimal(event["amount"]) if event.get("amount") is not None else None
        self.entries.append(
            {
                "entryId": f"{customer}/{currency}/{resource or ''}/{account.seq}",
                "customerId": customer,
                "currencyId": currency,
                "resourceId": resource,
                "seq": account.seq,
                "eventType": event_type,
                "amount": amount,
                "grantId": grant.grant_id,
                "grantRemaining": grant.remaining,
                "balanceBefore": before,
                "balanceAfter": account.balance,
                "idempotencyKey": event.get("idempotencyKey"),
                "requestedAmount": requested,
                "outcome": "applied",
                "eventTime": self.event_time,
                "recordedAt": account.clock,
                "dimensions": event.get("dimensions") or None,
                "source": dict(zip(("topic", "partition", "offset"), position_of(self.record))),
            }
        )

    def close(self):
        for entry in self.entries:
            entry["firstSeq"] = self.entries[0]["seq"]
            entry["lastSeq"] = self.entries[-1]["seq"]
        self.referee.entries += self.entries


def _plain(value):
    """1 and 1.0 are one number, true is none."""
    if isinstance(value, bool) or isinstance(value, str):
        return type(value).__name__, value
    return "number", Decimal(str(value))


# ---- the order in which records count ----


def in_order_of_time(records):
    """Pair by pair: each partition in its order, the two merged by record timestamp, commands first at a tie."""
    pairs = defaultdict(lambda: (deque(), deque()))
    for record in sorted(records, key=lambda record: record.offset):
        pairs[record.partition][record.topic.endswith("usage")].append(record)
    merged = []
    for partition in sorted(pairs):
        commands, usage = pairs[partition]
        while commands and usage:
            merged.append((usage if usage[0].timestamp < commands[0].timestamp else commands).popleft())
        merged += [*commands, *usage]
    return merged


def in_order_of_ledger(records, entries):
    """The records as the ledger's entries (in order of account and seq) have them one after the other; one that made
    none stands as late as its own partition lets it. Fails where the ledger took records of a partition out of order."""
    by_position = {position_of(record): record for record in records}
    after, waits_for = defaultdict(set), defaultdict(int)

    def put_before(first, then):
        if first != then and then not in after[first]:
            after[first].add(then)
            waits_for[then] += 1

    lanes = defaultdict(list)  # per customer and partition; per account
    for record in sorted(records, key=lambda record: (record.topic, record.partition, record.offset)):
        lanes[_customer(record), record.topic, record.partition].append(position_of(record))
    has_entries = set()
    for entry in entries:
        source = entry["source"]
        position = (source["topic"], source["partition"], source["offset"])
        assert position in by_position, f"{entry['entryId']} names a source that is not in the inputs: {position}"
        has_entries.add(position)
        lanes[entry["customerId"], entry["currencyId"], entry["resourceId"]].append(position)
    for positions in lanes.values():
        for first, then in zip(positions, positions[1:]):
            put_before(first, then)

    def rank(position):
        return position not in has_entries, by_position[position].timestamp, position

    ready = [rank(position) for position in by_position if waits_for[position] == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        position = heapq.heappop(ready)[2]
        order.append(by_position[position])
        for then in after[position]:
            waits_for[then] -= 1
            if waits_for[then] == 0:
                heapq.heappush(ready, rank(then))
    assert len(order) == len(by_position), "the ledger handled records of one partition in another order than theirs"
    return order


def _customer(record):
    try:
        return record.value["customerId"]
    except Exception:  # noqa: BLE001
        return None
