"""Input events, short to write: consume("acme", "1.5"), grant("acme", 100, expireAt=...), void("acme", "promo"); any other
kind: event("release", "acme", reservationId="r")."""

import itertools
from decimal import Decimal

CURRENCY = "ai-tokens"
_keys = itertools.count(1)


def _event(customer, key, fields):
    common = {"customerId": customer, "currencyId": CURRENCY, "idempotencyKey": key or f"key-{next(_keys)}"}
    return common | {name: value for name, value in fields.items() if value is not None}


def consume(customer, amount, key=None, **fields):
    return _event(customer, key, {"amount": Decimal(amount), **fields})


def grant(customer, amount, key=None, grantType="PAID", **fields):
    return _event(customer, key, {"type": "grant", "grantType": grantType, "amount": Decimal(amount), **fields})


def void(customer, grant_id, key=None, **fields):
    return _event(customer, key, {"type": "void", "grantId": grant_id, **fields})


def reserve(customer, amount, reservation_id, key=None, **fields):
    return _event(
        customer, key, {"type": "reserve", "reservationId": reservation_id, "amount": Decimal(amount), **fields}
    )


def settle(customer, amount, reservation_id, key=None, **fields):
    return _event(
        customer, key, {"type": "settle", "reservationId": reservation_id, "amount": Decimal(amount), **fields}
    )


def extend(customer, reservation_id, key=None, **fields):
    return _event(customer, key, {"type": "extend", "reservationId": reservation_id, **fields})


def release(customer, reservation_id, key=None, **fields):
    return _event(customer, key, {"type": "release", "reservationId": reservation_id, **fields})


def reverse(customer, reversed_key, amount=None, key=None, **fields):
    amount = None if amount is None else Decimal(amount)
    return _event(customer, key, {"type": "reverse", "reversedKey": reversed_key, "amount": amount, **fields})


def command(customer, kind, key=None, **fields):
    """Any other kind."""
    return _event(customer, key, {"type": kind, **fields})
