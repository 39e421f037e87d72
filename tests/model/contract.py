"""What the contract makes of a record's bytes: an event with the fields that count, or a dead letter."""

from __future__ import annotations

import decimal
import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal

from support.client import CONFLUENT, SINGLE_OBJECT, decode

EXACT = decimal.Context(prec=90, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero])
UNIT = Decimal("1e-12")
BOUND = Decimal(10) ** 26  # every amount is below it: numeric(38,12)
CUSTOMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_|.@-]{0,254}\Z")
CURRENCY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_|.-]{0,254}\Z")
TTL_DEFAULT = 3600
HYSTERESIS_DEFAULT = 10
THRESHOLDS_MAX = 16

USAGE_KINDS = ("consume", "reserve", "settle", "extend", "release")
COMMAND_KINDS = ("grant", "void", "confirm-payment", "reverse", "configure", "advance")
KINDS = USAGE_KINDS + COMMAND_KINDS


@dataclass(frozen=True)
class Threshold:
    """A level of the spendable balance: an amount, or so many percent of the balance when credit was last posted."""

    amount: Decimal | None
    percent: int | None
    hysteresis: int = HYSTERESIS_DEFAULT

    def level_key(self):
        return self.amount, self.percent


@dataclass(frozen=True)
class Overrides:
    """Settings of an account; None: inherited from the currency."""

    over_limit: str | None = None
    overdraft_limit: Decimal | None = None
    thresholds: tuple | None = None


@dataclass(slots=True)
class Event:
    kind: str
    customer: str
    currency: str
    resource: str | None
    key: str
    created_at: datetime | None
    amount: Decimal | None = None
    dimensions: dict | None = None
    grant_id: str | None = None
    grant_type: str | None = None
    priority: int = 0
    effective_at: datetime | None = None
    expire_at: datetime | None = None
    cost: tuple | None = None
    await_payment: bool = False
    reversed_key: str | None = None
    reservation_id: str | None = None
    ttl: int | None = None
    expires_at: datetime | None = None
    overrides: Overrides | None = None
    due_at: datetime | None = None

    @property
    def event_class(self):
        return "usage" if self.kind in USAGE_KINDS else "command"

    def content(self):
        """What was meant: what makes a second event with the key the same or another."""
        common = (self.kind, self.currency, self.resource, self.amount)
        if self.kind == "consume":
            return *common, {name: _plain(value) for name, value in (self.dimensions or {}).items()}
        if self.kind == "grant":
            times = (self.effective_at, self.expire_at)
            return *common, self.grant_type, self.grant_id, self.priority, times, self.cost, self.await_payment
        if self.kind in ("void", "confirm-payment"):
            return *common, self.grant_id
        if self.kind == "reverse":
            return *common, self.reversed_key
        if self.kind == "configure":
            return *common, self.overrides
        if self.kind == "advance":
            return *common, self.due_at
        return *common, self.reservation_id, self.ttl, self.expires_at


@dataclass(frozen=True)
class DeadLetter:
    """`reasons`: any of these may be given for it; empty: what is wrong lies below the fields."""

    reasons: frozenset


def _refuse(constant):
    """NaN and Infinity, which Python reads: JSON has no such thing."""
    raise ValueError(constant)


def read_event(raw):
    """An Event or a DeadLetter."""
    try:
        if raw.startswith((SINGLE_OBJECT, CONFLUENT)):
            fields = decode(raw)
        else:
            fields = json.loads(raw, parse_float=Decimal, parse_constant=_refuse)
        if not isinstance(fields, dict):
            return DeadLetter(frozenset())
    except Exception:  # noqa: BLE001 what cannot be parsed is a dead letter, whatever is wrong with it
        return DeadLetter(frozenset())
    return _Reader(fields).event()


class _Reader:
    def __init__(self, fields):
        self.fields = fields
        self.faults = set()

    def take(self, name, read, required=False):
        value = self.fields.get(name)
        if value is None:
            if required:
                self.faults.add("missing_field")
            return None
        try:
            return read(value)
        except (ValueError, TypeError, ArithmeticError):
            self.faults.add("invalid_field")
            return None

    def event(self):
        kind = self.fields.get("type")
        kind = "consume" if kind is None else kind
        if kind not in KINDS:
            return DeadLetter(frozenset({"unknown_type", "invalid_field"}))
        event = Event(
            kind,
            self.take("customerId", _matching(CUSTOMER), True),
            self.take("currencyId", _matching(CURRENCY), True),
            self.take("resourceId", _matching(CUSTOMER)),
            self.take("idempotencyKey", _name, True),
            self.take("createdAt", _time),
        )
        getattr(self, "_" + kind.replace("-", "_"))(event)
        return DeadLetter(frozenset(self.faults)) if self.faults else event

    def _consume(self, event):
        event.amount = self.take("amount", _positive, True)
        event.dimensions = self.take("dimensions", _map)

    def _grant(self, event):
        event.amount = self.take("amount", _positive, True)
        event.grant_type = self.take("grantType", _one_of("PROMOTIONAL", "PAID"), True)
        event.grant_id = self.take("grantId", _id)
        event.priority = self.take("priority", _integer(32)) or 0
        event.effective_at = self.take("effectiveAt", _time)
        event.expire_at = self.take("expireAt", _time)
        event.cost = self.take("cost", _cost)
        self.take("metadata", _map)
        event.await_payment = self.take("awaitPaymentConfirmation", _boolean) or False

    def _void(self, event):
        event.grant_id = self.take("grantId", _name, True)

    _confirm_payment = _void

    def _reverse(self, event):
        event.reversed_key = self.take("reversedKey", _name, True)
        event.amount = self.take("amount", _positive)

    def _configure(self, event):
        event.overrides = Overrides(
            self.take("overLimit", _one_of("allow", "cap", "reject")),
            self.take("overdraftLimit", _not_negative),
            self.take("thresholds", read_thresholds),
        )

    def _reserve(self, event):
        event.reservation_id = self.take("reservationId", _name, True)
        event.amount = self.take("amount", _positive, True)
        self._end(event)
        if event.ttl is None and event.expires_at is None:
            event.ttl = TTL_DEFAULT

    def _settle(self, event):
        event.reservation_id = self.take("reservationId", _name, True)
        event.amount = self.take("amount", _not_negative, True)

    def _extend(self, event):
        event.reservation_id = self.take("reservationId", _name, True)
        self._end(event)
        if self.fields.get("ttlSeconds") is None and self.fields.get("expiresAt") is None:
            self.faults.add("missing_field")

    def _release(self, event):
        event.reservation_id = self.take("reservationId", _name, True)

    def _advance(self, event):
        event.due_at = self.take("dueAt", _time, True)

    def _end(self, event):
        event.ttl = self.take("ttlSeconds", _integer(64))
        event.expires_at = self.take("expiresAt", _time)
        if event.ttl is not None and event.expires_at is not None:
            self.faults.add("invalid_field")


def _demand(condition):
    if not condition:
        raise ValueError


def _matching(pattern):
    def read(value):
        _demand(isinstance(value, str) and pattern.match(value))
        return value

    return read


def _one_of(*names):
    def read(value):
        _demand(value in names)
        return value

    return read


def _name(value):
    _demand(isinstance(value, str) and 1 <= len(value) <= 255 and not re.search(r"[\x00-\x1f\x7f]", value))
    return value


def _id(value):
    _demand("/" not in _name(value))
    return value


def _boolean(value):
    _demand(isinstance(value, bool))
    return value


def _integer(bits):
    def read(value):
        _demand(not isinstance(value, bool) and isinstance(value, (int, Decimal)) and value == int(value))
        _demand(-(2 ** (bits - 1)) <= value < 2 ** (bits - 1))
        return int(value)

    return read


def _time(value):
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    _demand(isinstance(time, datetime) and time.tzinfo is not None)
    return time.astimezone(timezone.utc)


def read_amount(value):
    """Exact, at most 12 digits behind the point and 26 before it."""
    _demand(isinstance(value, (int, str, Decimal)) and not isinstance(value, bool))
    amount = Decimal(value)
    _demand(amount.is_finite() and abs(amount) < BOUND)
    _demand(amount == 0 or amount.normalize(EXACT).as_tuple().exponent >= -12)
    return amount


def _positive(value):
    amount = read_amount(value)
    _demand(amount > 0)
    return amount


def _not_negative(value):
    amount = read_amount(value)
    _demand(amount >= 0)
    return amount


def _map(value):
    _demand(isinstance(value, dict) and all(isinstance(item, (str, bool, int, float, Decimal)) for item in value.values()))
    return value


def _cost(value):
    _demand(isinstance(value, dict) and isinstance(value.get("currency"), str))
    return _not_negative(value.get("amount")), value["currency"]


def read_thresholds(items):
    """[{"amount": 100, "hysteresis": 10}, {"percent": 20}] as Thresholds, in that order."""
    _demand(isinstance(items, list) and len(items) <= THRESHOLDS_MAX)
    thresholds = []
    for item in items:
        _demand(isinstance(item, dict))
        amount, percent, hysteresis = (item.get(name) for name in ("amount", "percent", "hysteresis"))
        _demand((amount is None) != (percent is None))
        amount = None if amount is None else _positive(amount)
        percent = None if percent is None else _integer(32)(percent)
        hysteresis = HYSTERESIS_DEFAULT if hysteresis is None else _integer(32)(hysteresis)
        _demand((percent is None or 1 <= percent <= 100) and 0 <= hysteresis <= 100)
        thresholds.append(Threshold(amount, percent, hysteresis))
    _demand(len({threshold.level_key() for threshold in thresholds}) == len(thresholds))
    return tuple(thresholds)


def _plain(value):
    """1 and 1.0 are one number, true is none."""
    if isinstance(value, (bool, str)):
        return type(value).__name__, value
    return "number", Decimal(str(value))
