"""What may come in: formats, topics, partitioners, producers that abort, and what cannot be understood.

Method: an independent client writes the input in every way that happens; the audit holds what came of it against the
referee's books.
"""

import json
import random
from decimal import Decimal

import pytest
from support.client import SCHEMAS, SINGLE_OBJECT, encode_avro, encode_json
from support.events import consume, grant, void
from support.wait import wait_until


def outcome(drawdown, key):
    found = [r.value for r in drawdown.client.read("outcomes") if r.value["idempotencyKey"] == key]
    return [(value["outcome"], value["code"]) for value in found]


@pytest.mark.parametrize("outputs", ["json", "avro"])
def test_json_and_avro_may_be_mixed_and_outputs_are_what_is_configured(install, outputs):
    drawdown = install({"outputs.format": outputs, "outcomes": "all"})
    drawdown.worker().start()
    chance = random.Random(5)
    for number in range(200):
        how = {"format": chance.choice(("json", "avro"))}
        customer = f"customer-{number % 7}"
        if number < 14:
            cost = {"amount": Decimal("9.99"), "currency": "EUR"}
            event = grant(customer, 40, cost=cost, displayName="Überraschung", metadata={"a": 1})
            drawdown.client.produce("commands", event, **how)
            drawdown.client.flush()
        else:
            dimensions = {"model": "x", "n": number, "share": 0.25, "ok": True, "text": 'ä"\n'}
            drawdown.client.produce("usage", consume(customer, "1.000000000001", dimensions=dimensions), **how)
    drawdown.wait_for_lag_zero()  # what leaves no entry comes when all is handled, or nobody knows what it came behind
    drawdown.client.produce("commands", void("customer-0", "no-such"), **how)
    drawdown.wait_for_lag_zero()
    for topic in ("ledger", "balances", "outcomes"):
        records = drawdown.client.read(topic)
        assert records and {record.raw[:2] == SINGLE_OBJECT for record in records} == {outputs == "avro"}
    drawdown.audit()


def test_usage_in_a_currency_that_nothing_names_is_rejected_for_that_customer_alone(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.client.produce("commands", consume("zeta", 1, "stranger"))
    drawdown.client.produce("commands", void("zeta", "promo", "stranger-void"))
    drawdown.client.produce("commands", consume("acme", 1, "other", currencyId="gpu-hours"))
    drawdown.wait_for_lag_zero()
    drawdown.set_currency("gpu-hours")
    drawdown.client.produce("commands", consume("zeta", 1, "named", currencyId="gpu-hours"))
    drawdown.wait_for_lag_zero()
    assert outcome(drawdown, "stranger") == outcome(drawdown, "other") == [("rejected", "unknown_currency")]
    assert outcome(drawdown, "stranger-void") == [("rejected", "unknown_currency")]
    assert drawdown.books.balances() == {("acme", "ai-tokens", None): 10, ("zeta", "gpu-hours", None): -1}
    drawdown.check_books()


def test_open_currencies_take_usage_in_any(install):
    drawdown = install({"currencies.open": "yes"})
    drawdown.worker().start()
    drawdown.client.produce("usage", consume("zeta", 1))
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("zeta", "ai-tokens") == -1
    drawdown.audit(currencies_open=True)


@pytest.mark.parametrize("format", ["json", "avro"])
def test_who_may_report_usage_may_not_grant(drawdown, format):
    drawdown.worker().start()
    drawdown.client.produce("usage", grant("acme", 1000, "steal"), format=format)
    drawdown.client.produce("usage", void("acme", "promo", "spoil"), format=format)
    drawdown.wait_for_lag_zero()
    assert outcome(drawdown, "steal") == outcome(drawdown, "spoil") == [("rejected", "not_permitted")]
    assert drawdown.books.count("receipt") == drawdown.books.count("account") == 0
    drawdown.client.produce("commands", grant("acme", 1, "steal"), format=format)
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("acme", "ai-tokens") == 1, "the rejected one has not burnt the key"
    drawdown.audit()


def _without(event, name):
    return {key: value for key, value in event.items() if key != name}


USAGE = consume("acme", "1.5", "bad")
UNREADABLE = {
    "nothing": (b"", "empty"),
    "half of JSON": (encode_json(USAGE)[:-1], "malformed_json"),
    "JSON that is no object": (b"[1]", None),
    "two objects": (encode_json(USAGE) * 2, "malformed_json"),
    "bytes that are no UTF-8": (b'{"customerId":"\xff\xfe"}', "malformed_json"),
    "no customer": (encode_json(_without(USAGE, "customerId")), "missing_field"),
    "no currency": (encode_json(_without(USAGE, "currencyId")), "missing_field"),
    "no key": (encode_json(_without(USAGE, "idempotencyKey")), "missing_field"),
    "a misspelt amount": (encode_json(_without(USAGE, "amount") | {"ammount": 1}), "missing_field"),
    "an amount of 0": (encode_json(USAGE | {"amount": 0}), "invalid_field"),
    "an amount below 0": (encode_json(USAGE | {"amount": -1}), "invalid_field"),
    "a thirteenth digit": (encode_json(USAGE | {"amount": Decimal("0.0000000000001")}), "invalid_field"),
    "an amount too large": (encode_json(USAGE | {"amount": Decimal(10) ** 26}), "invalid_field"),
    "an amount that is no number": (encode_json(USAGE | {"amount": "much"}), "invalid_field"),
    "NaN": (json.dumps(_without(USAGE, "amount") | {"amount": float("nan")}).encode(), None),
    "a customer with a slash": (encode_json(USAGE | {"customerId": "ac/me"}), "invalid_field"),
    "a key of 256 characters": (encode_json(USAGE | {"idempotencyKey": "k" * 256}), "invalid_field"),
    "an unknown type": (encode_json(USAGE | {"type": "teleport"}), "unknown_type"),
    "a time without zone": (encode_json(USAGE | {"createdAt": "2026-01-02T03:04:05"}), "invalid_field"),
    "an unknown schema": (SINGLE_OBJECT + b"12345678" + b"\0" * 20, "unknown_schema"),
    "half of Avro": (encode_avro(USAGE)[:-3], "malformed_avro"),
    "Avro with a tail": (encode_avro(USAGE) + b"\0", "malformed_avro"),
    "another record's schema": (SINGLE_OBJECT + SCHEMAS["Balance"][0] + encode_avro(USAGE)[10:], None),
}


def test_what_cannot_be_understood_goes_to_the_dead_letters_and_nothing_behind_it_waits(drawdown):
    worker = drawdown.worker().start()
    client = drawdown.client
    client.produce("commands", grant("acme", 100))
    drawdown.wait_for_lag_zero()
    headers = [("traceparent", b"00-0123"), ("own", b"\x00\xff"), ("own", b"twice"), ("nothing", None)]
    for what, (raw, _) in UNREADABLE.items():
        client.produce("usage", raw, key=what, headers=headers, partition=1)
        client.produce("usage", consume("acme", 1), partition=1)
    client.produce("usage", b"no key", partition=2)
    client.produce("usage", None, key="a tombstone", partition=2)
    drawdown.wait_until_counted()

    assert drawdown.books.balance("acme", "ai-tokens") == 100 - len(UNREADABLE)
    letters = {record.key: record for record in client.read("dead-letters")}
    sources = {record.key: record for record in client.read("usage") if record.partition == 1}
    assert letters.keys() - {None, "a tombstone"} == UNREADABLE.keys()
    for what, (raw, reason) in UNREADABLE.items():
        letter, source = letters[what], sources[what]
        assert letter.raw == raw
        assert letter.header_list[:4] == headers, "its own headers come first, as they were"
        own = dict(letter.header_list[4:])
        assert set(own) == {
            "drawdown.reason",
            "drawdown.error",
            "drawdown.topic",
            "drawdown.partition",
            "drawdown.offset",
            "drawdown.timestamp",
        }
        assert reason in (None, own["drawdown.reason"].decode()), f"{what}: {own}"
        assert own["drawdown.error"], f"{what}: no text says what is wrong"
        assert own["drawdown.topic"].decode() == client.prefix + "usage"
        assert (int(own["drawdown.partition"]), int(own["drawdown.offset"])) == (1, source.offset)
    assert letters[None].raw == b"no key" and letters["a tombstone"].raw in (None, b"")
    assert letters["a misspelt amount"].headers["drawdown.error"] == b"amount is missing"
    assert worker.inputs()["unreadable", "dead_lettered"] == len(UNREADABLE) + 2
    drawdown.audit()


def test_the_customer_in_the_payload_counts_not_the_key(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.wait_for_lag_zero()
    for key in ("zeta", "beta", ""):
        drawdown.client.produce("usage", consume("acme", 1), key=key)
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balances() == {("acme", "ai-tokens", None): 7}
    drawdown.audit()


def test_usage_by_the_default_partitioner_of_librdkafka_is_counted_and_warned_of_and_its_money_is_right(drawdown):
    worker = drawdown.worker().start()
    customers = [f"customer-{number}" for number in range(30)]
    for customer in customers:
        drawdown.client.produce("commands", grant(customer, 100))
    drawdown.wait_for_lag_zero()
    for number in range(900):
        drawdown.client.produce("usage", consume(customers[number % 30], "1.25"), partitioner="consistent_random")
    drawdown.wait_for_lag_zero()
    home = {record.value["customerId"]: record.partition for record in drawdown.client.read("commands")}
    usage = drawdown.client.read("usage")
    misrouted = sum(record.partition != home[record.value["customerId"]] for record in usage)
    assert 0 < misrouted < 900
    assert worker.metrics()["drawdown_inputs_misrouted_total"] == misrouted
    assert "event=worker.misrouted" in worker.log_text()
    assert set(drawdown.books.balances().values()) == {Decimal("62.5")}
    drawdown.audit()


def test_one_partitioner_for_all_is_as_good_whichever_it_is(install):
    drawdown = install({"inputs.partitioner": "crc32"})
    worker = drawdown.worker().start()
    for number in range(30):
        drawdown.client.produce("commands", grant(f"customer-{number}", 2), partitioner="consistent_random")
    drawdown.wait_for_lag_zero()
    for number in range(30):
        drawdown.client.produce("usage", consume(f"customer-{number}", 1), partitioner="consistent_random")
    drawdown.wait_for_lag_zero()
    assert worker.metrics()["drawdown_inputs_misrouted_total"] == 0
    assert "worker.misrouted" not in worker.log_text()
    drawdown.audit()


def test_what_a_producer_aborted_never_counts_and_nothing_behind_it_waits(drawdown):
    worker = drawdown.worker().start()
    client = drawdown.client
    with client.transaction("one") as produce:
        produce("commands", grant("acme", 10))
    with client.transaction("two", abort=True) as produce:
        produce("commands", consume("acme", 7))
    with client.transaction("three") as produce:
        produce("commands", consume("acme", 1, "behind"))
    drawdown.wait_for_balance("acme", 9)
    worker.kill()
    worker.start()
    client.produce("commands", consume("acme", 1))
    wait_until(lambda: len(client.read("ledger")) == 3, "the ledger to be published")  # markers count as lag for ever
    assert drawdown.books.balance("acme", "ai-tokens") == 8
    drawdown.check_books()
