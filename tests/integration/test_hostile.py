"""Hostile bytes: each of the table's records is a dead letter whose reason names the field, its bytes untouched, and
what stands behind it is applied; the worker's memory stays flat.

Method: the records are written byte by byte, in both framings, and go through the real worker; each is followed by a
good one of the same customer. What cannot be meant though it is well-formed (amounts of 0, both ends of a hold) stands
in test_bad_input.py.
"""

import json
import re
import struct
from pathlib import Path

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from support.avro_bytes import INT64_MIN, NULL, OVERLONG, VALUE, members, text, varint
from support.client import SCHEMAS, SINGLE_OBJECT
from support.events import CURRENCY, consume, grant

MIB = 1 << 20
VALUE_SIZE_MAX = 256 * 1024


ONE = text((10**12).to_bytes(6, "big"))
PLAIN = {
    "customerId": text("acme"),
    "currencyId": text(CURRENCY),
    "resourceId": NULL,
    "idempotencyKey": text("bad"),
    "amount": ONE,
    "grantType": varint(1),
    "priority": varint(0),
    "awaitPaymentConfirmation": b"\0",
    "reservationId": text("r"),
    "dueAt": varint(1767323045000000),
    "grantId": text("g"),
}


def avro(record="Consume", behind=b"", **fields):
    """Single-object framing; a field's bytes are those that are given, else valid ones."""
    fingerprint, schema = SCHEMAS[record]
    optional = {"grantId"} if record == "Grant" else set()
    plain = {name: value for name, value in PLAIN.items() if name not in optional}
    body = b"".join(fields.get(field["name"], plain.get(field["name"], NULL)) for field in schema["fields"])
    return SINGLE_OBJECT + fingerprint + body + behind


def raw(**fields):
    """JSON; a field's value as it stands in the text."""
    plain = {"customerId": '"acme"', "currencyId": f'"{CURRENCY}"', "idempotencyKey": '"bad"', "amount": "1"}
    return ("{" + ",".join(f'"{name}":{value}' for name, value in (plain | fields).items()) + "}").encode()


def consume_without(*names):
    event = {"customerId": "acme", "currencyId": CURRENCY, "idempotencyKey": "bad", "amount": 1}
    return json.dumps({name: value for name, value in event.items() if name not in names}).encode()


def threshold(percent):
    return NULL + VALUE + varint(percent) + varint(10)


AN_ID = "is not 1-255 of [A-Za-z0-9_|.@-], the first alphanumeric"
A_CURRENCY = "is not 1-255 of [A-Za-z0-9_|.-], the first alphanumeric"
PRINTABLE = "is not 1-255 printable characters"
A_TIME = "is not a time of RFC 3339 with a zone"
A_MEMBER = "has a value that is neither text, a number of at most 100 digits, nor a boolean"
NOT_UTF8 = ("malformed_json", "the value is not UTF-8, or has a NUL")

TABLE = {  # what it is: bytes, reason, error
    # framing
    "a tombstone": (None, "empty", "the record has no value"),
    "no bytes": (b"", "empty", "the record has no value"),
    "a byte too much": (raw(comment='"' + "x" * VALUE_SIZE_MAX + '"'), "too_large", "the value takes more than 262144 bytes"),
    "half a magic": (b"\xc3", *NOT_UTF8),
    "a wrong magic": (b"\xc3\x02" + avro()[2:], *NOT_UTF8),
    "another wrong magic": (b"\x01" + avro()[1:], *NOT_UTF8),
    "white space": (b" \n\t ", "malformed_json", "the value is not JSON, at byte 4"),
    "no fingerprint": (SINGLE_OBJECT, "malformed_avro", "the schema's fingerprint is cut off"),
    "half a fingerprint": (avro()[:9], "malformed_avro", "the schema's fingerprint is cut off"),
    "an unknown fingerprint": (
        SINGLE_OBJECT + bytes(range(8)),
        "unknown_schema",
        "no schema has the fingerprint 0706050403020100",
    ),
    "an unknown id": (b"\0\0\0\0\7" + avro()[10:], "unknown_schema", "no schema has the id 7"),
    "half an id": (b"\0\0\0", "malformed_avro", "the schema's id is cut off"),
    "an output's schema": (avro("Outcome"), "unknown_type", "a record of drawdown.Outcome is no input"),
    "a fingerprint and nothing else": (avro()[:10], "malformed_avro", "customerId is cut off"),
    # Avro: lengths, indices, counts
    "bytes behind the record": (avro(behind=b"\0"), "malformed_avro", "1 bytes follow the record"),
    "the record twice": (avro(behind=avro()), "malformed_avro", f"{len(avro())} bytes follow the record"),
    "a length of -1": (avro(customerId=varint(-1)), "malformed_avro", "customerId has a length out of range"),
    "a length of INT64_MIN": (avro(idempotencyKey=varint(INT64_MIN)), "malformed_avro", "idempotencyKey has a length out of range"),
    "a length of 2^62": (avro(currencyId=varint(2**62)), "malformed_avro", "currencyId has a length out of range"),
    "an amount of 2^62 bytes": (avro(amount=varint(2**62)), "malformed_avro", "amount has a length out of range"),
    "an amount of -1 bytes": (avro(amount=varint(-1)), "malformed_avro", "amount has a length out of range"),
    "an amount without bytes": (avro(amount=text(b"")), "malformed_avro", "amount has a decimal without bytes"),
    "an amount of 17 bytes": (avro(amount=text(b"\0" * 16 + b"\1")), "invalid_field", "amount is out of range"),
    "an over-long varint": (avro(customerId=OVERLONG), "malformed_avro", "customerId has an over-long integer"),
    "an over-long time": (avro(createdAt=VALUE + OVERLONG), "malformed_avro", "createdAt has an over-long integer"),
    "a varint without end": (avro(createdAt=VALUE + b"\xff" * 10), "malformed_avro", "createdAt has an over-long integer"),
    "a time cut off": (avro(dimensions=b"", createdAt=VALUE + b"\xff"), "malformed_avro", "createdAt is cut off"),
    "a union's branch too high": (avro(resourceId=varint(2)), "malformed_avro", "resourceId has an index out of range"),
    "a union's branch below 0": (avro(resourceId=varint(-1)), "malformed_avro", "resourceId has an index out of range"),
    "a union's branch of 2^62": (avro(createdAt=varint(2**62)), "malformed_avro", "createdAt has an index out of range"),
    "an enum too high": (avro("Grant", grantType=varint(2)), "malformed_avro", "grantType has an index out of range"),
    "an enum below 0": (avro("Grant", grantType=varint(-1)), "malformed_avro", "grantType has an index out of range"),
    "a boolean of 2": (
        avro("Grant", awaitPaymentConfirmation=b"\2"),
        "malformed_avro",
        "awaitPaymentConfirmation has a boolean that is neither 0 nor 1",
    ),
    "an int beyond 32 bits": (avro("Grant", priority=varint(2**31)), "malformed_avro", "priority has an int out of range"),
    "10^9 items": (avro(dimensions=VALUE + varint(10**9)), "malformed_avro", "dimensions has too many items"),
    "-10^9 items": (
        avro(dimensions=VALUE + varint(-(10**9)) + varint(1)),
        "malformed_avro",
        "dimensions has a block size out of range",
    ),
    "INT64_MIN items": (
        avro(dimensions=VALUE + varint(INT64_MIN) + varint(0)),
        "malformed_avro",
        "dimensions has too many items",
    ),
    "a block of -1 bytes": (
        avro(dimensions=VALUE + varint(-1) + varint(-1)),
        "malformed_avro",
        "dimensions has a block size out of range",
    ),
    "a block of 2^62 bytes": (
        avro(dimensions=VALUE + varint(-1) + varint(2**62)),
        "malformed_avro",
        "dimensions has a block size out of range",
    ),
    "10^9 thresholds": (avro("Configure", thresholds=VALUE + varint(10**9)), "malformed_avro", "thresholds has too many items"),
    "17 thresholds": (
        avro("Configure", thresholds=VALUE + varint(17) + b"".join(threshold(n) for n in range(1, 18)) + NULL),
        "invalid_field",
        "thresholds has more than 16 items",
    ),
    "a map without end": (avro(dimensions=members(("a", VALUE + b"\1"))[:-1]), "malformed_avro", "dimensions is cut off"),
    "a map's name of 2^62 bytes": (
        avro(dimensions=VALUE + varint(1) + varint(2**62)),
        "malformed_avro",
        "dimensions has a length out of range",
    ),
    "a map's name twice": (
        avro(dimensions=members(("a", VALUE + b"\1"), ("a", VALUE + b"\1"))),
        "invalid_field",
        "dimensions has the same name twice",
    ),
    "101 members": (
        avro(dimensions=members(*((f"m{n}", VALUE + b"\1") for n in range(101)))),
        "too_large",
        "dimensions has more than 100 members",
    ),
    "members of 9 kB": (avro(dimensions=members(("a", NULL + text("x" * 9000)))), "too_large", "dimensions takes more than 8192 bytes"),
    "a member that is NaN": (
        avro(dimensions=members(("a", varint(3) + struct.pack("<d", float("nan"))))),
        "invalid_field",
        f"dimensions {A_MEMBER}",
    ),
    "a member that is infinite": (
        avro(dimensions=members(("a", varint(3) + struct.pack("<d", float("inf"))))),
        "invalid_field",
        f"dimensions {A_MEMBER}",
    ),
    "a member's name not UTF-8": (
        avro(dimensions=members((b"\xff", VALUE + b"\1"))),
        "invalid_field",
        "dimensions has a name that is not UTF-8, or has a NUL",
    ),
    "a member with a NUL": (avro(dimensions=members(("a", NULL + text("x\0")))), "invalid_field", f"dimensions {A_MEMBER}"),
    "a time before year 1": (
        avro(createdAt=VALUE + varint(-62135596800000001)),
        "invalid_field",
        "createdAt is outside of the years 0001-9999",
    ),
    "a time after year 9999": (
        avro("Reserve", expiresAt=VALUE + varint(253402300800000000)),
        "invalid_field",
        "expiresAt is outside of the years 0001-9999",
    ),
    "a time of INT64_MIN": (
        avro("Advance", dueAt=varint(INT64_MIN)),
        "invalid_field",
        "dueAt is outside of the years 0001-9999",
    ),
    # texts
    "a customer of 10 kB": (avro(customerId=text("x" * 10000)), "invalid_field", f"customerId {AN_ID}"),
    "a customer of no bytes": (avro(customerId=text("")), "invalid_field", f"customerId {AN_ID}"),
    "a customer with a NUL": (avro(customerId=text("ac\0me")), "invalid_field", f"customerId {AN_ID}"),
    "a customer not UTF-8": (avro(customerId=text(b"acm\xc3")), "invalid_field", f"customerId {AN_ID}"),
    "a currency of 10 kB": (raw(currencyId='"' + "x" * 10000 + '"'), "invalid_field", f"currencyId {A_CURRENCY}"),
    "a resource of 10 kB": (raw(resourceId='"' + "x" * 10000 + '"'), "invalid_field", f"resourceId {AN_ID}"),
    "a key of 10 kB": (avro(idempotencyKey=text("x" * 10000)), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a key of 256 characters": (avro(idempotencyKey=text("é" * 256)), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a key with a NUL": (avro(idempotencyKey=text("a\0b")), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a key with a line feed": (avro(idempotencyKey=text("a\nb")), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a key with a C1 control": (avro(idempotencyKey=text("a\x85b")), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a key cut within a character": (avro(idempotencyKey=text(b"a\xe2\x82")), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a key in over-long UTF-8": (avro(idempotencyKey=text(b"a\xc0\xaf")), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a key with a surrogate": (avro(idempotencyKey=text(b"a\xed\xa0\x80")), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a key past Unicode": (avro(idempotencyKey=text(b"\xf4\x90\x80\x80")), "invalid_field", f"idempotencyKey {PRINTABLE}"),
    "a reservation of 10 kB": (
        avro("Release", reservationId=text("x" * 10000)),
        "invalid_field",
        f"reservationId {PRINTABLE}",
    ),
    "a comment of 5 kB": (avro("Grant", comment=VALUE + text("x" * 5000)), "too_large", "comment is longer than 4096 bytes"),
    "a comment not UTF-8": (avro("Grant", comment=VALUE + text(b"\xfe")), "invalid_field", "comment is not UTF-8, or has a NUL"),
    # JSON
    "not UTF-8 in JSON": (raw(idempotencyKey='"a\\b"').replace(b"\\b", b"\xff"), *NOT_UTF8),
    "a NUL in JSON": (raw().replace(b"bad", b"b\0d"), *NOT_UTF8),
    "a NUL, escaped": (raw(customerId='"ac\\u0000me"'), "invalid_field", f"customerId {AN_ID}"),
    "a control character in JSON": (raw().replace(b"bad", b"b\x01d"), "malformed_json", "the value is not JSON, at byte 65"),
    "half a surrogate pair": (raw(idempotencyKey='"\\ud83d"'), "malformed_json", "the value is not JSON, at byte 0"),
    "the wrong half": (raw(idempotencyKey='"\\ude00"'), "malformed_json", "the value is not JSON, at byte 0"),
    "no object": (b"[1]", "malformed_json", "the value is not a JSON object"),
    "a number": (b"1", "malformed_json", "the value is not a JSON object"),
    "two objects": (raw() + raw(), "malformed_json", f"the value is not JSON, at byte {len(raw())}"),
    "a quote behind the object": (raw() + b'"', "malformed_json", f"the value is not JSON, at byte {len(raw())}"),
    "half a word behind the object": (raw() + b"tru", "malformed_json", f"the value is not JSON, at byte {len(raw())}"),
    "a form feed": (b"\x0c" + raw(), "malformed_json", "the value is not JSON, at byte 0"),
    "a byte order mark": (b"\xef\xbb\xbf" + raw(), "malformed_json", "the value is not JSON, at byte 1"),
    "a comma too much": (raw()[:-1] + b",}", "malformed_json", f"the value is not JSON, at byte {len(raw()) + 1}"),
    "a comment in JSON": (b"/* */" + raw(), "malformed_json", "the value is not JSON, at byte 0"),
    "a depth of 17": (
        raw(extra="[" * 16 + "]" * 16),
        "malformed_json",
        "the value is nested deeper than 16",
    ),
    "a depth of 100,000": (raw(extra="[" * 100000), "malformed_json", "the value is nested deeper than 16"),
    "a depth of 40,000 objects": (raw(extra='{"a":' * 40000), "malformed_json", "the value is nested deeper than 16"),
    "a field twice": (raw()[:-1] + b',"amount":1}', "malformed_json", "amount is given twice"),
    "a field twice, escaped": (raw()[:-1] + b',"\\u0061mount":1}', "malformed_json", "amount is given twice"),
    "a member twice": (raw(dimensions='{"a":1,"a":1}'), "invalid_field", "dimensions has the same name twice"),
    "a part of cost twice": (
        raw(type='"grant"', grantType='"PAID"', cost='{"amount":1,"amount":1,"currency":"EUR"}'),
        "malformed_json",
        "cost.amount is given twice",
    ),
    "an amount of 10,000 digits": (raw(amount="1" * 10000), "invalid_field", "amount is out of range"),
    "an amount of 10,000 fractional digits": (
        raw(amount="0." + "1" * 10000),
        "invalid_field",
        "amount has more than 12 fractional digits",
    ),
    "a member of 10,000 digits": (raw(dimensions='{"a":' + "1" * 10000 + "}"), "invalid_field", f"dimensions {A_MEMBER}"),
    "an exponent of 10,000 digits": (raw(amount="1e" + "9" * 10000), "invalid_field", "amount is out of range"),
    "1e400": (raw(amount="1e400"), "invalid_field", "amount is out of range"),
    "1e-400": (raw(amount="1e-400"), "invalid_field", "amount has more than 12 fractional digits"),
    "a member of 1e401": (raw(dimensions='{"a":1e401}'), "invalid_field", f"dimensions {A_MEMBER}"),
    "NaN": (raw(amount="NaN"), "malformed_json", "the value is not JSON, at byte 79"),
    "-Infinity": (raw(amount="-Infinity"), "malformed_json", "the value is not JSON, at byte 79"),
    '"NaN"': (raw(amount='"NaN"'), "invalid_field", "amount is not a number"),
    "a number in hex": (raw(amount='"0x1"'), "invalid_field", "amount is not a number"),
    "a number with a comma": (raw(amount='"1,5"'), "invalid_field", "amount is not a number"),
    "digits of another script": (raw(amount='"١"'), "invalid_field", "amount is not a number"),
    "an amount that is true": (raw(amount="true"), "invalid_field", "amount is not a number"),
    "an amount in an array": (raw(amount="[1]"), "invalid_field", "amount is not a number"),
    "the year 0": (raw(createdAt='"0000-12-31T23:59:59Z"'), "invalid_field", f"createdAt {A_TIME}"),
    "a zone that leads before year 1": (raw(createdAt='"0001-01-01T00:00:00+01:00"'), "invalid_field", f"createdAt {A_TIME}"),
    "a zone that leads past year 9999": (raw(createdAt='"9999-12-31T23:59:59-01:00"'), "invalid_field", f"createdAt {A_TIME}"),
    "the year 10000": (raw(createdAt='"10000-01-01T00:00:00Z"'), "invalid_field", f"createdAt {A_TIME}"),
    "a 30th of February": (raw(createdAt='"2026-02-30T00:00:00Z"'), "invalid_field", f"createdAt {A_TIME}"),
    "a time without a zone": (raw(createdAt='"2026-02-03T00:00:00"'), "invalid_field", f"createdAt {A_TIME}"),
    "a time that is a number": (raw(createdAt="1767323045"), "invalid_field", f"createdAt {A_TIME}"),
    "a type that is none": (
        raw(type='"steal"'),
        "unknown_type",
        "type is none of consume, grant, void, confirm-payment, reverse, configure, reserve, settle, extend, release, advance",
    ),
    "a type that is a number": (raw(type="1"), "invalid_field", "type is not a string"),
    "dimensions that are a list": (raw(dimensions="[1]"), "invalid_field", "dimensions is not a map"),
    "a member that is an object": (raw(dimensions='{"a":{}}'), "invalid_field", f"dimensions {A_MEMBER}"),
    "no customer": (consume_without("customerId"), "missing_field", "customerId is missing"),
    "a customer that is null": (raw(customerId="null"), "missing_field", "customerId is missing"),
    "no currency": (consume_without("currencyId"), "missing_field", "currencyId is missing"),
    "no key": (consume_without("idempotencyKey"), "missing_field", "idempotencyKey is missing"),
    "no amount": (consume_without("amount"), "missing_field", "amount is missing"),
}

LAST_SECOND = 253402300799000000
OUTCOMES = {  # understood, and yet without effect: bytes, code
    "the year 9999": (raw(createdAt='"9999-12-31T23:59:59Z"'), "in_the_future"),
    "the year 1": (raw(createdAt='"0001-01-01T00:00:00Z"'), "too_old"),
    "the year 9999 in Avro": (avro(createdAt=VALUE + varint(LAST_SECOND)), "in_the_future"),
    "a time due in the year 9999": (avro("Advance", dueAt=varint(LAST_SECOND)), "not_due"),
}


def rss(worker):
    """Resident bytes of its process."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def letters(drawdown):
    return drawdown.client.read("dead-letters")


def told(letter):
    return letter.headers["drawdown.reason"].decode(), letter.headers["drawdown.error"].decode()


def test_each_row_is_a_dead_letter_that_names_the_field_and_what_is_behind_it_counts(drawdown):
    worker = drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 1000))
    for name, (value, _, _) in TABLE.items():
        drawdown.client.produce("commands", value, key="acme", headers={"row": name})
        drawdown.client.produce("commands", consume("acme", 1, f"behind {name}"))
    for value, _ in OUTCOMES.values():
        drawdown.client.produce("commands", value, key="acme")
    drawdown.wait_for_lag_zero()
    found = {letter.headers["row"].decode(): (letter.raw, *told(letter)) for letter in letters(drawdown)}
    expected = {name: (value if value != b"" else None, reason, error) for name, (value, reason, error) in TABLE.items()}
    assert {name: row[1:] for name, row in found.items()} == {name: row[1:] for name, row in expected.items()}
    assert {name: row[0] or None for name, row in found.items()} == {name: row[0] for name, row in expected.items()}
    codes = [outcome.value["code"] for outcome in drawdown.client.read("outcomes")]
    assert codes == [code for _, code in OUTCOMES.values()]
    assert drawdown.books.balance("acme", CURRENCY) == 1000 - len(TABLE)
    assert rss(worker) < 200 * MIB
    drawdown.check_books()


NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
TWIG = {"type": "record", "name": "Twig", "fields": [{"name": "twigs", "type": {"type": "array", "items": "Twig"}}]}
OWN = {  # a producer's schema: what we want, and behind it what is passed over
    "customerId": ("string", PLAIN["customerId"]),
    "currencyId": ("string", PLAIN["currencyId"]),
    "resourceId": (["null", {"type": "enum", "name": "Kind", "symbols": ["gpu", "cpu"]}], NULL),
    "idempotencyKey": ("string", PLAIN["idempotencyKey"]),
    "amount": ("int", varint(1)),
    "createdAt": (["string", "null", {"type": "long", "logicalType": "timestamp-millis"}], varint(1)),
    "nulls": ({"type": "array", "items": "null"}, NULL),
    "hollows": ({"type": "array", "items": {"type": "record", "name": "Hollow", "fields": []}}, NULL),
    "node": (["null", NODE], NULL),
    "twig": (["null", TWIG], NULL),
    "choice": (["null", "string", "double"], NULL),
    "color": ({"type": "enum", "name": "Color", "symbols": ["RED", "BLUE"]}, varint(0)),
    "note": ("string", text("")),
    "blob": ("bytes", text("")),
    "level": ("int", varint(0)),
    "size": ("long", varint(0)),
    "is_urgent": ("boolean", b"\0"),
    "labels": ({"type": "map", "values": "string"}, NULL),
    "seal": ({"type": "fixed", "name": "Seal", "size": 16}, b"s" * 16),
}
OWN_SCHEMA = {
    "type": "record",
    "name": "Consume",
    "namespace": "shop",
    "fields": [{"name": name, "type": kind} for name, (kind, _) in OWN.items()],
}
OWN_FINGERPRINT = bytes.fromhex(
    fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(OWN_SCHEMA), "CRC-64-AVRO")
)
ITEMS_MAX = 256 * 1024
OWN_TABLE = {  # what it is: field, bytes, what is wrong with it
    "10^9 nulls": ("nulls", varint(10**9) + NULL, "nulls has too many items"),
    "-10^9 nulls": ("nulls", varint(-(10**9)) + varint(0) + NULL, "nulls has too many items"),
    "INT64_MIN nulls": ("nulls", varint(INT64_MIN) + varint(0) + NULL, "nulls has too many items"),
    "a null too much": ("nulls", varint(ITEMS_MAX + 1) + NULL, "nulls has too many items"),
    "nulls in many blocks": ("nulls", varint(ITEMS_MAX // 256) * 257 + NULL, "nulls has too many items"),
    "10^9 records of no size": ("hollows", varint(10**9) + NULL, "hollows has too many items"),
    "10^9 members": ("labels", varint(10**9), "labels has too many items"),
    "a block of 2^62 bytes": ("labels", varint(-1) + varint(2**62), "labels has a block size out of range"),
    "a block of -1 bytes": ("nulls", varint(-1) + varint(-1), "nulls has a block size out of range"),
    "records 100 deep": ("node", VALUE * 100 + NULL, "next is nested too deep"),
    "records 100,000 deep": ("node", VALUE * 100_000 + NULL, "next is nested too deep"),
    "arrays 100 deep": ("twig", VALUE + varint(1) * 100 + NULL * 100, "twigs is nested too deep"),
    "arrays 100,000 deep": ("twig", VALUE + varint(1) * 100_000, "twigs is nested too deep"),
    "a branch too high": ("choice", varint(3), "choice has an index out of range"),
    "a branch below 0": ("choice", varint(-1), "choice has an index out of range"),
    "a branch of INT64_MIN": ("node", varint(INT64_MIN), "node has an index out of range"),
    "a branch too high of ours": ("createdAt", varint(3), "createdAt has an index out of range"),
    "an enum too high": ("color", varint(2), "color has an index out of range"),
    "an enum of 2^62": ("color", varint(2**62), "color has an index out of range"),
    "an enum too high of ours": ("resourceId", VALUE + varint(2), "resourceId has an index out of range"),
    "an enum below 0 of ours": ("resourceId", VALUE + varint(-1), "resourceId has an index out of range"),
    "a length of 2^62": ("note", varint(2**62), "note has a length out of range"),
    "a length of -1": ("note", varint(-1), "note has a length out of range"),
    "a length of INT64_MIN": ("blob", varint(INT64_MIN), "blob has a length out of range"),
    "an int beyond 32 bits": ("level", varint(2**31), "level has an int out of range"),
    "an over-long long": ("size", OVERLONG, "size has an over-long integer"),
    "a boolean of 2": ("is_urgent", b"\2", "is_urgent has a boolean that is neither 0 nor 1"),
    "a fixed cut off": ("seal", b"s" * 15, "seal is cut off"),
    "a fixed too long": ("seal", b"s" * 17, "1 bytes follow the record"),
    "an amount below 0": ("amount", varint(-1), "amount is not above 0"),
    "an amount beyond 32 bits": ("amount", varint(2**40), "amount has an int out of range"),
    "a customer of 10 kB": ("customerId", text("x" * 10_000), f"customerId {AN_ID}"),
    "the year 0": ("createdAt", NULL + text("0000-01-01T00:00:00Z"), f"createdAt {A_TIME}"),
    "milliseconds of 2^62": ("createdAt", varint(2) + varint(2**62), "createdAt is outside of the years 0001-9999"),
}
OWN_FINE = {  # as far as it goes, and what is passed over need not make sense
    "as many nulls as may be": ("nulls", varint(ITEMS_MAX - 10) + NULL),
    "records 60 deep": ("node", VALUE * 60 + NULL),
    "a text not UTF-8": ("note", text(b"\xff\0")),
    "a member twice": ("labels", varint(2) + (text("a") + text("b")) * 2 + NULL),
}


def own(**fields):
    body = b"".join(fields.get(name, plain) for name, (_, plain) in OWN.items())
    return SINGLE_OBJECT + OWN_FINGERPRINT + body


def test_a_producers_own_schema_lets_no_bytes_through_that_ours_would_not(drawdown, tmp_path):
    path = tmp_path / "own.avsc"
    path.write_text(json.dumps(OWN_SCHEMA))
    drawdown.run("schemas", "add", str(path))
    worker = drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 1000))
    for name, (field, value, _) in OWN_TABLE.items():
        drawdown.client.produce("commands", own(**{field: value}), key="acme", headers={"row": name})
        drawdown.client.produce("commands", consume("acme", 1, f"behind {name}"))
    for name, (field, value) in OWN_FINE.items():
        drawdown.client.produce("commands", own(**{field: value, "idempotencyKey": text(name)}), key="acme")
    drawdown.wait_for_lag_zero()
    found = {letter.headers["row"].decode(): (letter.raw, told(letter)[1]) for letter in letters(drawdown)}
    assert found == {name: (own(**{field: value}), error) for name, (field, value, error) in OWN_TABLE.items()}
    assert drawdown.books.balance("acme", CURRENCY) == 1000 - len(OWN_TABLE) - len(OWN_FINE)
    assert rss(worker) < 200 * MIB
    drawdown.check_books()


def cut_everywhere(value):
    """The value without its end, of every length but none at all."""
    return [value[:size] for size in range(1, len(value))]


def test_a_record_cut_at_any_byte_is_a_dead_letter(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 1000))
    whole = [
        avro(createdAt=VALUE + varint(1767323045000000), dimensions=members(("a", NULL + text("b")))),
        avro("Grant", metadata=members(("a", VALUE + b"\1")), comment=VALUE + text("c")),
        avro("Configure", thresholds=VALUE + varint(1) + threshold(20) + NULL),
        raw(dimensions='{"a":"é\\n","b":[1.5e3,true,null]}', createdAt='"2026-01-02T03:04:05Z"'),
    ]
    cuts = [cut for value in whole for cut in cut_everywhere(value)]
    for number, cut in enumerate(cuts):
        drawdown.client.produce("commands", cut, key="acme")
        drawdown.client.produce("commands", consume("acme", 1, f"behind-{number}"))
    drawdown.wait_for_lag_zero()
    found = letters(drawdown)
    assert [letter.raw for letter in found] == cuts
    assert {told(letter)[0] for letter in found} == {"malformed_avro", "malformed_json"}
    fields = {name for record in ("Consume", "Grant", "Configure") for name in field_names(record)}
    for letter in found:
        reason, error = told(letter)
        if reason == "malformed_avro" and len(letter.raw) >= 10:
            assert error.split(" ")[0].split(".")[0] in fields and error.split(" ", 1)[1] in CUT_OFF, error
    assert drawdown.books.balance("acme", CURRENCY) == 1000 - len(cuts)


CUT_OFF = ("is cut off", "has a length out of range")


def field_names(record):
    return [field["name"] for field in SCHEMAS[record][1]["fields"]]


def bomb_producer(drawdown, **options):
    """Packs what compresses well into batches that any broker takes."""
    limits = {"message.max.bytes": 256 * MIB, "compression.type": "zstd", "batch.size": 256 * MIB}
    return Producer({"bootstrap.servers": drawdown.client.bootstrap, "partitioner": "murmur2_random"} | limits | options)


def explode(drawdown, producer, **record):
    producer.produce(drawdown.prefix + "commands", **({"key": "acme"} | record))
    assert producer.flush(60) == 0


def test_ten_thousand_headers_come_with_the_dead_letter_and_do_an_event_no_harm(drawdown):
    worker = drawdown.worker().start()
    headers = [(f"h{number}", b"x" * 20) for number in range(10_000)]
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.client.produce("commands", b"{", key="acme", headers=headers)
    drawdown.client.produce("commands", consume("acme", 1, "many headers"), headers=headers)
    drawdown.client.produce("commands", consume("acme", 1, "behind"))
    drawdown.wait_for_lag_zero()
    (letter,) = letters(drawdown)
    assert letter.raw == b"{" and letter.header_list[:10_000] == headers
    assert told(letter) == ("malformed_json", "the value is not JSON, at byte 1")
    assert drawdown.books.balance("acme", CURRENCY) == 8
    assert rss(worker) < 200 * MIB
    drawdown.audit()


NOT_JSON = ("malformed_json", "the value is not JSON, at byte 1")
BOMBS = {  # the record, what the dead letter says, whether it goes without its bytes
    "a value": ({"value": b" " * (48 * MIB)}, ("too_large", "the value takes more than 262144 bytes"), True),
    "a key": ({"key": "k" * (16 * MIB), "value": b"{"}, NOT_JSON, True),
    "a header": ({"value": b"{", "headers": {"h": b"x" * (16 * MIB)}}, NOT_JSON, True),
    # each counts as 10 bytes: no topic would take that many, small as they are
    "100,000 headers": ({"value": b"{", "headers": [("h", b"")] * 100_000}, NOT_JSON, True),
    # librdkafka hands out none where there are more
    "a million headers": ({"value": b"{", "headers": [("h", b"")] * 1_000_000}, NOT_JSON, False),
}


def test_a_decompression_bomb_goes_without_its_bytes_and_what_is_behind_it_counts(drawdown):
    worker = drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.client.flush()
    for name, (record, _, _) in BOMBS.items():
        explode(drawdown, bomb_producer(drawdown), **record)
        drawdown.client.produce("commands", consume("acme", 1, f"behind {name}"))
        drawdown.client.flush()
    drawdown.wait_for_lag_zero()
    found = sorted(letters(drawdown), key=lambda letter: letter.headers["drawdown.timestamp"])
    assert [told(letter) for letter in found] == [told for _, told, _ in BOMBS.values()]
    assert ["drawdown.cut" in letter.headers for letter in found] == [cut for _, _, cut in BOMBS.values()]
    assert [letter.raw for letter in found] == [None if cut else b"{" for _, _, cut in BOMBS.values()]
    assert drawdown.books.balance("acme", CURRENCY) == 10 - len(BOMBS)
    assert rss(worker) < 250 * MIB


UNPACKED_MAX = 100_000_000  # kafka.receive.message.max.bytes as it is unless set
OWN_HEADERS = ("reason", "error", "topic", "partition", "offset", "timestamp")


def not_unpacked(topic, partition, offset):
    """What stands for a record that cannot be unpacked: key, value, headers."""
    error = (
        "the record's batch cannot be unpacked within receive.message.max.bytes; until retention takes them, "
        f"readers with a larger one find its bytes at offset {offset} of [{partition}] of {topic}"
    )
    own = ("bad_compression", error, topic, partition, offset)
    headers = [("drawdown.cut", b"unknown"), *((f"drawdown.{name}", str(value).encode()) for name, value in zip(OWN_HEADERS, own))]
    return None, None, [*headers, ("drawdown.timestamp", None)]


def whole(letters):
    return [(letter.key, letter.raw, letter.header_list) for letter in letters]


def explode_many(drawdown, count):
    """Records in one batch that stand for a tenth more than what is unpacked."""
    producer = bomb_producer(drawdown, **{"linger.ms": 2000, "batch.num.messages": count})
    value = b" " * (UNPACKED_MAX * 11 // 10 // count)
    for _ in range(count):
        producer.produce(drawdown.prefix + "commands", value, key="acme")
    assert producer.flush(60) == 0


def reads_with_more(drawdown, partition, offset):
    """The size of the value that a reader finds there who takes larger batches than the worker does."""
    options = {"bootstrap.servers": drawdown.client.bootstrap, "group.id": "more", "receive.message.max.bytes": 2 * UNPACKED_MAX}
    consumer = Consumer(options)
    consumer.assign([TopicPartition(drawdown.prefix + "commands", partition, offset)])
    message = consumer.poll(60)
    consumer.close()
    assert message and not message.error() and message.offset() == offset
    return len(message.value())


def test_batches_beyond_what_is_unpacked_are_passed_by_and_what_is_behind_them_counts(drawdown):
    worker = drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.client.flush()
    for key in ("acme", "acme", "globex"):
        explode(drawdown, bomb_producer(drawdown), key=key, value=b" " * (UNPACKED_MAX + 1))
    drawdown.client.produce("commands", consume("acme", 1, "behind two"))
    drawdown.client.flush()
    explode_many(drawdown, 1000)
    drawdown.client.produce("commands", consume("acme", 1, "behind a thousand"))
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("acme", CURRENCY) == 8
    assert rss(worker) < 250 * MIB
    logged = re.findall(r"\[(\d)\] cannot be unpacked from offset (\d+) to (\d+): dead letters", worker.log_text())
    gaps = [tuple(map(int, gap)) for gap in logged]
    assert [last - first + 1 for _, first, last in sorted(gaps, key=lambda gap: gap[2])] == [1, 1, 1, 1000]
    topic, told = drawdown.prefix + "commands", letters(drawdown)
    expected = [not_unpacked(topic, at, offset) for at, first, last in gaps for offset in range(first, last + 1)]
    assert sorted(whole(told), key=str) == sorted(expected, key=str)
    shown = drawdown.run("dead-letters", "show", f"{told[0].partition}/{told[0].offset}")
    assert "state    unsendable: the record's bytes, unknown in number, stand at its source only" in shown.stdout.splitlines()
    partition, first, last = gaps[-1]
    assert reads_with_more(drawdown, partition, first) == UNPACKED_MAX * 11 // 10 // 1000

    assert worker.terminate() == 0  # as after a crash in the middle of the batch: recorded, not published
    drawdown.client.set_offsets(drawdown.group, {("commands", partition): first + 400})
    drawdown.worker().start()
    drawdown.wait_for_lag_zero()
    expected += [not_unpacked(topic, partition, offset) for offset in range(first + 400, last + 1)]
    assert sorted(whole(letters(drawdown)), key=str) == sorted(expected, key=str)
    assert drawdown.books.balance("acme", CURRENCY) == 8
    drawdown.books.check()
