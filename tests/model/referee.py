"""The rules of the money a second time: slow, obvious, plain Python over exact decimals, nothing of drawdown's code.

`Referee.handle(record)` takes the records of both inputs one by one, in the order in which they count (`order.py`), and
keeps the books that must come of it: `entries`, `notifications` and `answers` in the words of the topics, `accounts` with
their grants, holds and thresholds. The numbers are those of worker/core/RULES.md.
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from model.account import (
    ACTIVE,
    DEPLETED,
    EXPIRED,
    PENDING,
    SCHEDULED,
    VOIDED,
    Account,
    Alert,
    Consumption,
    Currency,
    Grant,
    Hold,
    Transfer,
    later,
)
from model.contract import BOUND, EXACT, UNIT, USAGE_KINDS, DeadLetter, Event, Overrides, read_event

FUTURE_TOLERANCE = timedelta(minutes=5)
HOLD_TTL_MAX = 24 * 3600
ZERO = Decimal(0)
CUTTING = decimal.Context(prec=90, rounding=decimal.ROUND_DOWN)


def time_of(record):
    return datetime.fromtimestamp(record.timestamp // 1000, timezone.utc) + timedelta(
        milliseconds=record.timestamp % 1000
    )


def position_of(record):
    return record.topic, record.partition, record.offset


@dataclass(slots=True)
class Answer:
    """What became of a record; the same names as an outcome's."""

    outcome: str
    event: Event | None = None
    code: str | None = None
    appliedAmount: Decimal = ZERO
    firstSeq: int | None = None
    lastSeq: int | None = None
    balance: Decimal | None = None
    has_entries: bool = False


class Rejection(Exception):
    """The event changes nothing; raised before anything is changed."""


class Referee:
    def __init__(self, *, window=timedelta(days=30), currencies=None, currencies_open=False, grants_open_max=1000, holds_open_max=1000):
        self.window = window
        self.currencies = currencies or {}  # {currency: Currency} that a row names
        self.currencies_open = currencies_open
        self.grants_open_max = grants_open_max
        self.holds_open_max = holds_open_max
        self.accounts = {}
        self.receipts = {}  # {(customer, class, key): (content, answer)}
        self.consumptions = {}  # {(customer, key): Consumption}
        self.grants = {}  # {(customer, grant id): (account, grant)}
        self.granted_currencies = set()  # {(customer, currency)}
        self.entries = []
        self.notifications = []
        self.answers = {}
        self.dead_letters = []  # [(record, DeadLetter)]

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
            event = read_event(record.raw) if record.raw else DeadLetter(frozenset({"empty"}))
            if isinstance(event, DeadLetter):
                self.dead_letters.append((record, event))
                answer = Answer("dead-lettered")
            else:
                answer = self._decide(record, event)
            self.answers[position_of(record)] = answer
            return answer

    def _decide(self, record, event):
        code = self._fault_of_record(record, event)
        if code:
            return Answer("rejected", event, code)
        key = (event.customer, event.event_class, event.key)
        content = event.content()
        if key in self.receipts:
            first_content, first = self.receipts[key]
            if content != first_content:
                return Answer("conflict", event)
            return Answer(
                "duplicate", event, first.code, first.appliedAmount, first.firstSeq, first.lastSeq, first.balance
            )
        answer = self._execute(record, event)
        self.receipts[key] = content, answer
        return answer

    def _fault_of_record(self, record, event):
        """Rule 6: what the record alone decides, in this order."""
        now = time_of(record)
        if record.topic.endswith("usage") and event.kind not in USAGE_KINDS:
            return "not_permitted"
        if event.created_at is not None and event.created_at < now - self.window:
            return "too_old"
        if event.created_at is not None and event.created_at > now + FUTURE_TOLERANCE:
            return "in_the_future"
        if event.kind == "grant":
            if (event.grant_id or "").startswith("overdraft:"):
                return "reserved_id"
            if event.effective_at and event.expire_at and event.expire_at <= event.effective_at:
                return "invalid_period"
        if event.kind == "advance" and now < event.due_at:
            return "not_due"
        return None

    def _execute(self, record, event):
        is_known = (
            self.currencies_open
            or event.kind == "grant"
            or event.currency in self.currencies
            or (event.customer, event.currency) in self.granted_currencies
        )
        if not is_known:
            return Answer("rejected", event, "unknown_currency")

        key = (event.customer, event.currency, event.resource)
        account = self.accounts.get(key)
        if account is None:
            account = self.accounts[key] = Account(key, self.currencies.get(event.currency, Currency()))
        occasion = Occasion(self, account, record)
        self._bring_to(occasion, time_of(record))
        event_time = min(event.created_at or time_of(record), account.clock)
        moment = Moment(occasion, event, event_time)
        code, applied = None, ZERO
        try:
            applied = getattr(self, "_" + event.kind.replace("-", "_"))(moment, event)
        except Rejection as rejection:
            assert not moment.entries
            code = str(rejection)
        moment.close()
        step = Moment(occasion, None, account.clock)
        self._close_out(step)
        step.close()
        self._decide_thresholds(moment)
        account.freshest = position_of(record), event_time
        return Answer(
            "rejected" if code else moment.outcome,
            event,
            code,
            applied,
            moment.entries[0]["seq"] if moment.entries else None,
            moment.entries[-1]["seq"] if moment.entries else None,
            account.balance,
            bool(moment.entries),
        )

    # ---- 2: time ----

    def _bring_to(self, occasion, now):
        """Bring the account to now: what is due is done as of when it was due."""
        account = occasion.account
        now = now if account.clock is None else max(now, account.clock)
        while True:
            when, thing = account.take_due(now)
            if thing is None:
                break
            account.clock = when if account.clock is None else max(when, account.clock)
            step = Moment(occasion, None, account.clock)
            if isinstance(thing, Hold):
                self._return_hold(step, thing, "run out")
                self._close_out(step)
            elif thing.status == SCHEDULED:
                self._post(step, thing)
            else:
                self._take_out(step, thing, "CREDITS_EXPIRED", EXPIRED)
            step.close()
            self._decide_thresholds(step)
        account.clock = now

    def _advance(self, _moment, _event):
        return ZERO

    # ---- 1, 3, 4, 16: consumption ----

    def _consume(self, moment, event):
        return self._debit(moment, event, [])

    def _debit(self, moment, event, parts, hold=None):
        """Take the amount: from the parts of a hold first, then from what is free, then by the over-limit policy."""
        account, amount = moment.account, event.amount
        if account.consumed + amount >= BOUND:
            raise Rejection("balance_out_of_range")
        left = amount
        takings = {}  # {grant: amount} in the order of the entries
        for grant, part in parts:
            taken = min(left, part)
            if taken > 0:
                takings[grant] = taken
                left -= taken
        for grant, taken in self._draw(account, left, moment.event_time):
            takings[grant] = takings.get(grant, ZERO) + taken
            left -= taken
        if left > 0:
            policy = account.setting("over_limit")
            limit = account.setting("overdraft_limit")
            if policy == "reject":
                raise Rejection("insufficient_credits")
            if policy == "allow":
                if limit is not None and account.deficit + left > limit:
                    raise Rejection("overdraft_limit")
                takings[self._overdraft(account)] = left
                left = ZERO
            else:
                moment.outcome = "partial"

        if hold is not None:
            self._unhold(account, hold, "settled")
        for grant, taken in takings.items():
            moment.write("CREDITS_CONSUMED", grant, -taken)
            self._look_whether_used_up(moment, grant)
        account.consumed += amount - left
        self.consumptions[event.customer, event.key] = Consumption(account, time_of(moment.record), list(takings.items()))
        return amount - left

    def _draw(self, account, amount, event_time):
        """What an event of that time may take of each grant, in burn order: [(grant, amount)]."""
        drawn = []
        for grant in account.grants:
            if amount == 0:
                break
            if grant.may_pay(event_time) and grant.free > 0:
                taken = min(amount, grant.free)
                drawn.append((grant, taken))
                amount -= taken
        return drawn

    def _overdraft(self, account):
        if account.overdraft is None:
            account.grants_made += 1
            account.overdrafts_made += 1
            name = f"overdraft:{account.overdrafts_made}"
            account.overdraft = Grant(
                name, "OVERDRAFT", ZERO, ZERO, 0, account.clock, None, account.clock, account.grants_made, ACTIVE
            )
        return account.overdraft

    def _look_whether_used_up(self, moment, grant):
        account = moment.account
        if grant.remaining != 0:
            return
        if grant.is_overdraft:
            account.overdraft = None
        elif grant.status == ACTIVE:
            grant.status = DEPLETED
            account.unlist_grant(grant)
            moment.notify("credit_grant.depleted", grant)
        else:  # it ended before, and a hold kept a part of it
            account.unlist_grant(grant)

    # ---- 5: paying the deficit ----

    def _pay_deficit(self, moment, grant, amount):
        """So much of the grant became spendable."""
        account = moment.account
        overdraft = account.overdraft
        if overdraft is None or not grant.may_pay(account.clock):
            return
        amount = min(account.deficit, amount)
        if amount == 0:
            return
        moment.write("CREDITS_CONSUMPTION_TRANSFER_SOURCE", overdraft, amount)
        moment.write("CREDITS_CONSUMPTION_TRANSFER_TARGET", grant, -amount)
        overdraft.transfers.append(Transfer(grant, amount))
        self._look_whether_used_up(moment, overdraft)
        self._look_whether_used_up(moment, grant)

    # ---- 7: grants ----

    def _grant(self, moment, event):
        account = moment.account
        grant_id = event.grant_id or "grant/" + event.key
        if (event.customer, grant_id) in self.grants:
            raise Rejection("grant_exists")
        if event.expire_at is not None and event.expire_at <= account.clock:
            raise Rejection("already_expired")
        waiting = [grant for grant in account.grants if grant.status in (SCHEDULED, PENDING)]
        if len(waiting) + sum(grant.status == ACTIVE for grant in account.grants) >= self.grants_open_max:
            raise Rejection("too_many_grants")
        if account.granted + sum(grant.remaining for grant in waiting) + event.amount >= BOUND:
            raise Rejection("balance_out_of_range")
        account.grants_made += 1
        effective_at = event.effective_at or account.clock
        grant = Grant(
            grant_id,
            event.grant_type,
            event.amount,
            event.amount,
            event.priority,
            effective_at,
            event.expire_at,
            account.clock,
            account.grants_made,
            PENDING if event.await_payment else SCHEDULED,
        )
        self.grants[event.customer, grant_id] = account, grant
        self.granted_currencies.add((event.customer, event.currency))
        account.list_grant(grant)
        moment.notify("credit_grant.created", grant, event.amount)
        self._post_or_plan(moment, grant)
        return event.amount

    def _confirm_payment(self, moment, event):
        account, grant = self.grants.get((event.customer, event.grant_id), (None, None))
        if account is not moment.account:
            raise Rejection("unknown_grant")
        if grant.status != PENDING:
            raise Rejection("grant_not_pending")
        grant.status = SCHEDULED
        self._post_or_plan(moment, grant)
        return grant.amount if grant.status != SCHEDULED else ZERO

    def _post_or_plan(self, moment, grant):
        if grant.status == SCHEDULED and grant.effective_at <= moment.account.clock:
            self._post(moment, grant)
        else:
            moment.account.plan(grant)

    def _post(self, moment, grant):
        account = moment.account
        grant.status = ACTIVE
        account.granted += grant.remaining
        moment.write("CREDITS_GRANTED", grant, grant.remaining)
        account.plan(grant)
        self._pay_deficit(moment, grant, grant.remaining)
        account.posted_balance = account.balance

    # ---- 8: void; and what expiry does ----

    def _void(self, moment, event):
        account, grant = self.grants.get((event.customer, event.grant_id), (None, None))
        if event.grant_id.startswith("overdraft:") and moment.account.overdrafts_made:
            raise Rejection("not_voidable")  # the names of overdrafts are the engine's own
        if account is not moment.account:
            raise Rejection("unknown_grant")
        if grant.status in (EXPIRED, VOIDED) or (grant.status == DEPLETED and self._is_past_grace(account, grant)):
            raise Rejection("grant_not_active")
        return self._take_out(moment, grant, "CREDITS_VOIDED", VOIDED)

    def _is_past_grace(self, account, grant):
        return grant.expire_at is not None and later(grant.expire_at, account.currency.grace) <= account.clock

    def _take_out(self, moment, grant, event_type, status):
        """The grant ends; what is left of it and not held goes out."""
        taken = grant.free if grant.status == ACTIVE else ZERO
        grant.status = status
        if taken > 0:
            moment.write(event_type, grant, -taken)
        if grant.held == 0:
            moment.account.unlist_grant(grant)
        moment.notify("credit_grant." + status.lower(), grant, taken)
        return taken

    def _close_out(self, step):
        """9, 10, 11: what came back to grants that ended goes out, in burn order."""
        if not step.occasion.returned_to_ended:
            return
        step.occasion.returned_to_ended = False
        for grant in list(step.account.grants):
            if grant.status in (DEPLETED, EXPIRED, VOIDED) and grant.free > 0:
                step.write("CREDITS_VOIDED" if grant.status == VOIDED else "CREDITS_EXPIRED", grant, -grant.free)
                if grant.held == 0:
                    step.account.unlist_grant(grant)

    # ---- 9: holds ----

    def _reserve(self, moment, event):
        account = moment.account
        if event.reservation_id in account.holds:
            raise Rejection("reservation_exists")
        expires_at = self._hold_end(account, event)
        if sum(hold.state == "open" for hold in account.holds.values()) >= self.holds_open_max:
            raise Rejection("too_many_reservations")
        parts = self._draw(account, event.amount, moment.event_time)
        if sum(amount for _, amount in parts) < event.amount:
            raise Rejection("insufficient_credits")
        hold = Hold(event.reservation_id, event.amount, parts, account.clock, expires_at, len(account.holds) + 1)
        account.holds[event.reservation_id] = hold
        for grant, amount in parts:
            grant.held += amount
        account.held += hold.amount
        account.plan(hold)
        return hold.amount

    def _settle(self, moment, event):
        hold = self._open_hold(moment.account, event)
        applied = self._debit(moment, event, hold.parts, hold)
        left = applied
        returns = []
        for grant, part in hold.parts:
            used = min(left, part)
            left -= used
            returns.append((grant, part - used))
        self._came_back(moment, returns)
        return applied

    def _release(self, moment, event):
        self._return_hold(moment, self._open_hold(moment.account, event), "released")
        return ZERO

    def _extend(self, moment, event):
        hold = self._open_hold(moment.account, event)
        hold.expires_at = self._hold_end(moment.account, event)
        moment.account.plan(hold)
        return ZERO

    def _open_hold(self, account, event):
        hold = account.holds.get(event.reservation_id)
        if hold is None:
            raise Rejection("unknown_reservation")
        if hold.state != "open":
            raise Rejection("reservation_closed")
        return hold

    def _hold_end(self, account, event):
        if event.expires_at is not None:
            expires_at = event.expires_at
        elif 0 < event.ttl <= HOLD_TTL_MAX:
            expires_at = later(account.clock, timedelta(seconds=event.ttl))
        else:
            raise Rejection("invalid_ttl")
        if not account.clock < expires_at <= later(account.clock, timedelta(seconds=HOLD_TTL_MAX)):
            raise Rejection("invalid_ttl")
        return expires_at

    def _unhold(self, account, hold, state):
        hold.state = state
        hold.closed_at = account.clock
        account.held -= hold.amount
        for grant, part in hold.parts:
            grant.held -= part

    def _return_hold(self, moment, hold, state):
        self._unhold(moment.account, hold, state)
        self._came_back(moment, hold.parts)

    def _came_back(self, moment, returns):
        """[(grant, amount)]: pays the deficit first, in this order; into grants that ended it goes only to go out."""
        for grant, amount in returns:
            if amount > 0:
                self._pay_deficit(moment, grant, amount)
                moment.occasion.returned_to_ended |= grant.status in (DEPLETED, EXPIRED, VOIDED) and grant.free > 0

    # ---- 10: reversals ----

    def _reverse(self, moment, event):
        account = moment.account
        consumption = self.consumptions.get((event.customer, event.reversed_key))
        if consumption is None or consumption.account is not account:
            raise Rejection("unknown_key")
        if consumption.recorded < time_of(moment.record) - self.window:
            raise Rejection("unknown_key")
        left = sum(amount for _, amount in consumption.debits) - consumption.reversed
        if left == 0:
            raise Rejection("already_reversed")
        amount = left if event.amount is None else event.amount
        if amount > left:
            raise Rejection("exceeds_consumption")

        returns = {}  # {grant: amount} in the order in which they are come to
        for grant, back in self._newest_debits(consumption, amount):
            if grant.is_overdraft:
                self._undo_overdraft(grant, back, returns)
            else:
                returns[grant] = returns.get(grant, ZERO) + back
        consumption.reversed += amount
        account.consumed -= amount
        for grant, back in returns.items():
            self._reopen(account, grant)
            moment.write("CREDITS_REVERSED", grant, back)
            if grant.is_overdraft:
                self._look_whether_used_up(moment, grant)
        self._came_back(moment, [(grant, back) for grant, back in returns.items() if not grant.is_overdraft])
        return amount

    def _newest_debits(self, consumption, amount):
        """The debits from the last to the first, without what was reversed of them before, up to the amount."""
        skip = consumption.reversed
        for grant, debit in reversed(consumption.debits):
            skipped = min(skip, debit)
            skip -= skipped
            back = min(amount, debit - skipped)
            amount -= back
            if back > 0:
                yield grant, back

    def _undo_overdraft(self, overdraft, amount, returns):
        """What is still owed is owed no more; the rest goes back to the grants that paid, newest transfer first."""
        owed = min(amount, -overdraft.remaining)
        if owed > 0:
            returns[overdraft] = owed
        amount -= owed
        for transfer in reversed(overdraft.transfers):
            back = min(amount, transfer.amount - transfer.returned)
            if back > 0:
                transfer.returned += back
                returns[transfer.grant] = returns.get(transfer.grant, ZERO) + back
                amount -= back
        assert amount == 0

    def _reopen(self, account, grant):
        if grant.is_overdraft:
            return
        if grant.status == DEPLETED and not self._is_past_grace(account, grant):
            grant.status = ACTIVE
            account.plan(grant)
        account.list_grant(grant)

    # ---- 12: thresholds ----

    def _decide_thresholds(self, moment):
        account = moment.account
        states = {(alert.amount, alert.percent): alert.state for alert in account.alerts}
        account.alerts = [
            Alert(item.amount, item.percent, item.hysteresis, states.get(item.level_key(), "new"))
            for item in account.setting("thresholds")
        ]
        account.alerts.append(Alert(ZERO, None, 0, states.get((ZERO, None), "new")))
        is_rearmed = False
        for alert in account.alerts:
            level = alert.amount
            if alert.percent is not None:
                if account.posted_balance <= 0:
                    continue
                level = (account.posted_balance * alert.percent).scaleb(-2)
                level = level.quantize(UNIT, context=CUTTING)
            if alert.state != "armed":
                if account.spendable > level and account.spendable * 100 >= level * (100 + alert.hysteresis):
                    is_rearmed |= alert.state == "disarmed"
                    alert.state = "armed"
            elif account.spendable <= level:
                alert.state = "disarmed"
                if alert is account.alerts[-1]:
                    moment.notify("credit_balance.depleted")
                else:
                    threshold = {"amount": alert.amount, "percent": alert.percent}
                    moment.notify("credit_balance.low", threshold=threshold, level=level)
        if is_rearmed and all(alert.state != "disarmed" for alert in account.alerts):
            moment.notify("credit_balance.recovered")
        moment.tell()

    # ---- 14: settings of the account ----

    def _configure(self, moment, event):
        moment.account.overrides = None if event.overrides == Overrides() else event.overrides
        return ZERO


class Occasion:
    """The handling of one record at its account."""

    def __init__(self, referee, account, record):
        self.referee = referee
        self.account = account
        self.record = record
        self.source = dict(zip(("topic", "partition", "offset"), position_of(record)))
        self.notifications_count = 0
        self.returned_to_ended = False


class Moment:
    """One event, or one step of the engine's own (event None): the entries that belong together."""

    def __init__(self, occasion, event, event_time):
        self.occasion = occasion
        self.account = occasion.account
        self.record = occasion.record
        self.event = event
        self.event_time = event_time
        self.outcome = "applied"
        self.entries = []
        self.notifications = []

    def write(self, event_type, grant, amount):
        account, event = self.account, self.event
        assert amount != 0
        before = account.balance
        account.balance += amount
        account.seq += 1
        if event_type != "CREDITS_GRANTED":
            grant.remaining += amount
        assert grant.remaining <= 0 if grant.is_overdraft else grant.remaining >= grant.held
        customer, currency, resource = account.key
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
                "idempotencyKey": event and event.key,
                "requestedAmount": event and event.amount,
                "eventTime": self.event_time,
                "recordedAt": account.clock,
                "dimensions": (event and event.dimensions) or None,
                "source": self.occasion.source,
            }
        )

    def notify(self, notification_type, grant=None, amount=None, threshold=None, level=None):
        account = self.account
        self.occasion.notifications_count += 1
        customer, currency, resource = account.key
        position = "/".join(map(str, position_of(self.record)))
        self.notifications.append(
            {
                "notificationId": f"{customer}/{currency}/{resource or ''}/{position}/{self.occasion.notifications_count}",
                "type": notification_type,
                "customerId": customer,
                "currencyId": currency,
                "resourceId": resource,
                "grantId": grant and grant.grant_id,
                "amount": amount,
                "threshold": threshold,
                "level": level,
                "idempotencyKey": self.event and self.event.key,
                "recordedAt": account.clock,
                "source": self.occasion.source,
            }
        )

    def tell(self):
        """The event or step is over: its notifications say how the account stands now."""
        account = self.account
        for item in self.notifications:
            item |= {name: getattr(account, name) for name in ("balance", "held", "spendable", "seq")}
        self.occasion.referee.notifications += self.notifications

    def close(self):
        """No more entries come."""
        for entry in self.entries:
            entry["firstSeq"] = self.entries[0]["seq"]
            entry["lastSeq"] = self.entries[-1]["seq"]
            entry["outcome"] = self.outcome
        self.occasion.referee.entries += self.entries
