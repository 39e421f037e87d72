"""Input events, short to write: consume("acme", "1.5"), grant("acme", 100, expireAt=...), void("acme", "promo")."""

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
