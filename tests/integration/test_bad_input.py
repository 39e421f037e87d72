"""Bad input gets an outcome or a dead letter, loses nothing, and never stops what is behind it.

Method: each bad record is followed by a good one of the same customer, which must count. Records that JSON or a schema's
encoder would not let through are written byte by byte.
"""

import io
import json
import time
from decimal import Decimal

import fastavro
from support.client import SCHEMAS, SINGLE_OBJECT
from support.events import CURRENCY, consume, grant

TINIEST = Decimal("1e-12")
LARGEST = Decimal("99999999999999999999999999.999999999999")


def raw_json(fields):
    """As it stands: numbers are written as they are given, as text."""
    members = ",".join(f"{json.dumps(name)}:{value}" for name, value in fields.items())
    return ("{" + members + "}").encode()


def usage_bytes(amount, customer="acme", key="bad"):
    return raw_json({
        "customerId": json.dumps(customer),
        "currencyId": json.dumps(CURRENCY),
        "idempotencyKey": json.dumps(key),
        "amount": amount,
    })


def avro_usage(unscaled):
    """Single-object framing; the decimal is any number of bytes."""
    fingerprint, schema = SCHEMAS["Consume"]
    fields = [field | {"type": "bytes"} if field["name"] == "amount" else field for field in schema["fields"]]
    size = max(1, (unscaled.bit_length() + 8) // 8)
    event = {"customerId": "acme", "currencyId": CURRENCY, "idempotencyKey": "bad"}
    event["amount"] = unscaled.to_bytes(size, "big", signed=True)
    body = io.BytesIO()
    loose = {"type": "record", "name": "Loose", "fields": fields}
    fastavro.schemaless_writer(body, fastavro.parse_schema(loose), event)
    return SINGLE_OBJECT + fingerprint + body.getvalue()


def reasons(drawdown):
    letters = [dict(record.headers) for record in drawdown.client.read("dead-letters")]
    return [(letter["drawdown.reason"].decode(), letter["drawdown.error"].decode()) for letter in letters]


def answers(drawdown):
    return {
        record.value["idempotencyKey"]: (record.value["outcome"], record.value["code"])
        for record in drawdown.client.read("outcomes")
    }


def other(kind, **fields):
    """A bad event of another kind; values as they stand in JSON."""
    ids = {"type": f'"{kind}"', "customerId": '"acme"', "currencyId": f'"{CURRENCY}"', "idempotencyKey": '"bad"'}
    return raw_json(ids | fields)


BAD = [  # bytes, reason, a part of the error
    (usage_bytes("0"), "invalid_field", "amount"),
    (usage_bytes("-1"), "invalid_field", "amount"),
    (usage_bytes("-0.0"), "invalid_field", "amount"),
    (usage_bytes("1.0000000000001"), "invalid_field", "12 fractional digits"),
    (usage_bytes("100000000000000000000000000"), "invalid_field", "out of range"),
    (usage_bytes("1e26"), "invalid_field", "out of range"),
    (usage_bytes('"1e9999"'), "invalid_field", "out of range"),
    (usage_bytes("1", customer="ac\0me"), "invalid_field", "customerId"),
    (usage_bytes("1", key="a\0b"), "invalid_field", "idempotencyKey"),
    (usage_bytes('"1\\u0000"'), "invalid_field", "amount"),
    (other("settle", reservationId='"r"', amount="-1"), "invalid_field", "amount"),
    (other("settle", reservationId='"r"'), "missing_field", "amount"),
    (other("reserve", reservationId='"r\\u0000"', amount="1"), "invalid_field", "reservationId"),
    (
        other("reserve", reservationId='"r"', amount="1", ttlSeconds="5", expiresAt='"2030-01-01T00:00:00Z"'),
        "invalid_field",
        "ttlSeconds",
    ),
    (other("extend", reservationId='"r"'), "missing_field", "ttlSeconds"),
    (other("configure", thresholds='[{"amount":1},{"amount":"1.0"}]'), "invalid_field", "thresholds"),
    (other("configure", overLimit='"never"'), "invalid_field", "overLimit"),
    (other("reverse", reversedKey='"k"', amount="0"), "invalid_field", "amount"),
    (other("advance"), "missing_field", "dueAt"),
    (avro_usage(0), "invalid_field", "amount"),
    (avro_usage(-1), "invalid_field", "amount"),
    (avro_usage(10**38), "invalid_field", "amount"),
    (avro_usage(-(10**38)), "invalid_field", "amount"),
]


def test_what_cannot_be_meant_is_a_dead_letter_and_what_is_behind_it_counts(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 100))
    drawdown.client.flush()
    for number, (value, _, _) in enumerate(BAD):
        drawdown.client.produce("commands", value, key="acme")
        drawdown.client.produce("commands", consume("acme", 1, f"behind-{number}"))
    drawdown.wait_for_lag_zero()
    assert [record.raw for record in drawdown.client.read("dead-letters")] == [value for value, _, _ in BAD]
    for (value, reason, part), (told_reason, told_error) in zip(BAD, reasons(drawdown), strict=True):
        assert told_reason == reason and part in told_error, (value, told_reason, told_error)
    assert drawdown.books.balance("acme", CURRENCY) == 100 - len(BAD)


def command(kind, key, **fields):
    return {"type": kind, "customerId": "acme", "currencyId": CURRENCY, "idempotencyKey": key} | fields


def test_what_the_books_do_not_allow_is_rejected_with_its_code(install):
    drawdown = install({"inputs.timestamps": "trusted"})
    drawdown.worker().start()
    now = int(time.time() * 1000) - 60_000

    def produce(*events):
        for event in events:
            drawdown.client.produce("commands", event, timestamp=now)
        drawdown.wait_for_lag_zero()

    produce(
        grant("acme", 10, "g1", grantId="one"),
        command("reserve", "r1", reservationId="short", amount=Decimal(1), ttlSeconds=1),
        consume("acme", 1, "used"),
    )
    produce(
        command("reverse", "undo-nothing", reversedKey="never-was"),
        command("reverse", "undo-a-grant", reversedKey="g1"),
        command("reverse", "undo-too-much", reversedKey="used", amount=Decimal("1.000000000001")),
        command("settle", "no-such", reservationId="nowhere", amount=Decimal(1)),
        grant("acme", 5, "late", expireAt="2020-01-01T00:00:00Z"),
        grant("acme", 10, "g2", grantId="one"),
        grant("acme", 11, "g1", grantId="one"),
        grant("acme", LARGEST, "too-large"),
        command("reserve", "too-long", reservationId="long", amount=Decimal(1), ttlSeconds=86401),
        command("reserve", "too-much", reservationId="much", amount=Decimal(1000)),
        command("release", "gone", reservationId="nowhere"),
        command("confirm-payment", "paid-already", grantId="one"),
        command("advance", "early", dueAt="2999-01-01T00:00:00Z"),
    )
    now += 1000  # the hold's very end
    produce(command("settle", "ran-out", reservationId="short", amount=Decimal(1)), consume("acme", 2, "behind"))
    assert answers(drawdown) == {
        "r1": ("applied", None),
        "undo-nothing": ("rejected", "unknown_key"),
        "undo-a-grant": ("rejected", "unknown_key"),
        "undo-too-much": ("rejected", "exceeds_consumption"),
        "no-such": ("rejected", "unknown_reservation"),
        "late": ("rejected", "already_expired"),
        "g2": ("rejected", "grant_exists"),
        "g1": ("conflict", None),
        "too-large": ("rejected", "balance_out_of_range"),
        "too-long": ("rejected", "invalid_ttl"),
        "too-much": ("rejected", "insufficient_credits"),
        "gone": ("rejected", "unknown_reservation"),
        "paid-already": ("rejected", "grant_not_pending"),
        "early": ("rejected", "not_due"),
        "ran-out": ("rejected", "reservation_closed"),
    }
    assert drawdown.books.balance("acme", CURRENCY) == 7
    drawdown.audit()


def test_the_thousand_and_first_open_grant_is_rejected(drawdown):
    drawdown.worker().start()
    for number in range(1001):
        drawdown.client.produce("commands", grant("acme", TINIEST, f"g{number}"))
    drawdown.client.produce("commands", consume("acme", TINIEST, "behind"))
    drawdown.client.produce("commands", grant("acme", 1, "room-again"))
    drawdown.wait_for_lag_zero()
    assert answers(drawdown) == {"g1000": ("rejected", "too_many_grants")}
    assert drawdown.books.balance("acme", CURRENCY) == 999 * TINIEST + 1
    drawdown.audit()


def test_sums_beyond_the_range_are_rejected_in_the_core(drawdown):
    drawdown.worker().start()
    for event in (
        grant("acme", LARGEST, "all"),
        grant("acme", TINIEST, "one-more"),
        consume("acme", LARGEST, "spend-all"),
        consume("acme", TINIEST, "spend-more"),
        command("reverse", "undo", reversedKey="spend-all"),
        consume("acme", TINIEST, "behind"),
    ):
        drawdown.client.produce("commands", event)
    drawdown.wait_for_lag_zero()
    assert answers(drawdown) == {
        "one-more": ("rejected", "balance_out_of_range"),
        "spend-more": ("rejected", "balance_out_of_range"),
    }
    assert drawdown.books.balance("acme", CURRENCY) == Decimal("99999999999999999999999999.999999999998")
    drawdown.audit()
