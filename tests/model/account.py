"""What a customer has, as the referee keeps it: accounts, grants, holds, overdrafts, and the state of thresholds."""

from __future__ import annotations

import bisect
import heapq
import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal

NEVER = datetime.max.replace(tzinfo=timezone.utc)
POSTING, EXPIRY, HOLD_END = range(3)  # what comes first at one instant

SCHEDULED, PENDING, ACTIVE = "SCHEDULED", "PAYMENT_PENDING", "ACTIVE"
DEPLETED, EXPIRED, VOIDED = "DEPLETED", "EXPIRED", "VOIDED"


def later(time, span):
    """The sum; what lies behind the end of time never comes."""
    try:
        return time + span
    except OverflowError:
        return NEVER


@dataclass(frozen=True)
class Currency:
    """The settings of a currency; these are the defaults."""

    grace: timedelta = timedelta(0)
    over_limit: str = "allow"
    overdraft_limit: Decimal | None = None
    thresholds: tuple = ()


@dataclass(eq=False, slots=True)
class Grant:
    grant_id: str
    grant_type: str  # PROMOTIONAL, PAID, OVERDRAFT
    amount: Decimal
    remaining: Decimal
    priority: int
    effective_at: datetime
    expire_at: datetime | None
    created_at: datetime
    ordinal: int
    status: str
    held: Decimal = Decimal(0)  # what open holds keep of it
    is_listed: bool = False  # among the account's grants
    transfers: list = field(default_factory=list)  # of an overdraft: what paid it, oldest first

    @property
    def is_overdraft(self):
        return self.grant_type == "OVERDRAFT"

    @property
    def free(self):
        return self.remaining - self.held

    def burn_order(self):
        kind = ("PROMOTIONAL", "PAID").index(self.grant_type)
        end = self.expire_at or NEVER
        return self.priority, end, kind, self.effective_at, self.created_at, self.ordinal, self.grant_id

    def is_over_at(self, time):
        return self.expire_at is not None and self.expire_at <= time

    def may_pay(self, event_time):
        return self.status == ACTIVE and not self.is_over_at(event_time)

    def due(self, grace):
        """What time does to it next: (when, POSTING or EXPIRY), or None."""
        if self.status == SCHEDULED:
            return self.effective_at, POSTING
        if self.status in (ACTIVE, PENDING) and self.expire_at is not None:
            return later(self.expire_at, grace), EXPIRY
        return None


@dataclass(slots=True)
class Transfer:
    """What a grant paid of an overdraft, and how much of it reversals returned."""

    grant: Grant
    amount: Decimal
    returned: Decimal = Decimal(0)


@dataclass(eq=False, slots=True)
class Hold:
    reservation_id: str
    amount: Decimal
    parts: list  # [(grant, amount)] in burn order of when it was made
    created_at: datetime
    expires_at: datetime
    ordinal: int
    state: str = "open"  # open, settled, released, run out
    closed_at: datetime | None = None

    def due(self, _grace):
        return (self.expires_at, HOLD_END) if self.state == "open" else None


@dataclass(eq=False, slots=True)
class Consumption:
    """What a consume or a settle took: what a reversal undoes."""

    account: Account
    recorded: datetime  # the record's timestamp
    debits: list  # [(grant, amount)] in order of seq
    reversed: Decimal = Decimal(0)


@dataclass(slots=True)
class Alert:
    amount: Decimal | None
    percent: int | None
    hysteresis: int
    state: str = "new"  # new, armed, disarmed


@dataclass(eq=False)
class Account:
    key: tuple  # customer, currency, resource or None
    currency: Currency
    seq: int = 0
    balance: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    granted: Decimal = Decimal(0)
    consumed: Decimal = Decimal(0)
    clock: datetime | None = None
    grants: list = field(default_factory=list)  # in burn order; not ended, or a hold keeps a part of them
    grants_made: int = 0
    overdraft: Grant | None = None
    overdrafts_made: int = 0
    holds: dict = field(default_factory=dict)  # by reservation id, closed ones too
    overrides: object = None
    alerts: list = field(default_factory=list)  # 0 itself last; none before the first decision
    posted_balance: Decimal = Decimal(0)  # right after credit was last posted
    freshest: tuple | None = None  # source and event time of the newest input that it includes
    agenda: list = field(default_factory=list)  # heap of (when, what, ordinal, number, grant or hold); may be outdated
    _numbers: object = field(default_factory=itertools.count)

    @property
    def spendable(self):
        return self.balance - self.held

    @property
    def deficit(self):
        return Decimal(0) if self.overdraft is None else -self.overdraft.remaining

    def list_grant(self, grant):
        if not grant.is_listed:
            grant.is_listed = True
            bisect.insort(self.grants, grant, key=Grant.burn_order)

    def unlist_grant(self, grant):
        if grant.is_listed:
            grant.is_listed = False
            self.grants.remove(grant)

    def plan(self, thing):
        """Note when time will do something to a grant or a hold."""
        due = thing.due(self.currency.grace)
        if due is not None:
            heapq.heappush(self.agenda, (*due, thing.ordinal, next(self._numbers), thing))

    def take_due(self, now):
        """The next thing that is due by now, and when it was; None, None where there is none."""
        while self.agenda and self.agenda[0][0] <= now:
            when, what, _, _, thing = heapq.heappop(self.agenda)
            if thing.due(self.currency.grace) == (when, what):
                return when, thing
        return None, None

    def setting(self, name):
        """The account's own, else the currency's."""
        own = getattr(self.overrides, name, None)
        return getattr(self.currency, name) if own is None else own
