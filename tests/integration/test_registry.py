"""Schemas of a registry: inputs are decoded by them, and a registry that is away or not well holds up nobody but the
partitions that need what only it knows.

Method: a real registry (Apicurio), registered to and killed as a producer's team and its operator would; for what it does
not do on demand one that answers by a script. Schemas of producers are drawdown's own with their fields in another order
and one more.
"""

import copy
import json
import threading
import time

import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from support.client import CONFLUENT, SCHEMAS_BY_ID
from support.events import CURRENCY, consume, grant
from support.registry import NO_SCHEMA, confluent, scripted
from support.schemas import (
    JSON_OUTPUTS,
    answer_of,
    customers_of_partitions,
    encode,
    errors,
    fund,
    know,
    learn_outputs,
    numbers,
    produce,
    reasons,
    registered,
    scripted_ids,
    scripted_schema,
    usage_schema,
    waits,
)
from support.wait import wait_until


def test_a_registered_schema_of_a_producer_is_applied(install, registry):
    drawdown = install({"registry.url": registry.url})
    learn_outputs(drawdown, registry)
    schema_id, schema = registered(registry)
    worker = drawdown.worker().start()
    fund(drawdown, "acme")
    asked_before = worker.metrics()["drawdown_registry_requests_total"]
    for amount in ("1.5", "2", "0.000000000001"):
        produce(drawdown, "acme", amount, schema_id, schema)
    drawdown.client.produce("usage", consume("acme", 3), format="avro")  # all framings in one topic
    drawdown.client.produce("usage", consume("acme", 4), format="json")
    drawdown.wait_until_counted()
    assert drawdown.books.balance("acme", CURRENCY) == 100 - 4 - 3 - consume("acme", "3.500000000001")["amount"]
    assert worker.metrics()["drawdown_registry_requests_total"] == asked_before + 1
    drawdown.audit()


def test_what_a_producers_serializer_writes_is_applied(install, registry):
    drawdown = install({"registry.url": registry.url})
    learn_outputs(drawdown, registry)
    drawdown.worker().start()
    fund(drawdown, "acme")
    schema = usage_schema()
    client = SchemaRegistryClient({"url": registry.url})
    serialize = AvroSerializer(client, json.dumps(schema))
    topic = drawdown.prefix + "usage"
    value = serialize(consume("acme", 7), SerializationContext(topic, MessageField.VALUE))
    know(int.from_bytes(value[1:5], "big"), schema)
    producer = Producer({"bootstrap.servers": drawdown.servers.bootstrap, "partitioner": "murmur2_random"})
    producer.produce(topic, key="acme", value=value)
    assert producer.flush(30) == 0
    drawdown.wait_for_balance("acme", 93)
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_partitions_that_wait_for_one_schema_ask_once(install):
    asked, released = threading.Event(), threading.Event()

    def hold(_handler):
        asked.set()
        assert released.wait(60)
        return {"schema": json.dumps(schema)}

    schema, schema_id = usage_schema(), next(scripted_ids)
    know(schema_id, schema)
    path = f"/schemas/ids/{schema_id}"
    with scripted({path: [(200, hold)]}) as registry:
        drawdown = install({"registry.url": registry.url, "registry.timeout": "60s"} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        first, second, other = customers_of_partitions(drawdown, 3)
        drawdown.wait_for_lag_zero()
        for customer in (first, second, first):
            produce(drawdown, customer, 1, schema_id, schema)
        drawdown.client.flush()
        wait_until(lambda: waits(worker) == 2, "two pairs of partitions to wait")
        assert asked.wait(10)
        drawdown.client.produce("usage", consume(other, 5))
        drawdown.wait_for_balance(other, 95)
        produce(drawdown, first, 1, schema_id, schema)
        released.set()
        drawdown.wait_until_counted()
        assert registry.count(path) == 1
        assert waits(worker) == 0
    assert drawdown.books.balance(first, CURRENCY) == 97
    assert drawdown.books.balance(second, CURRENCY) == 99
    drawdown.audit()


def test_order_within_a_pair_is_kept_while_it_waits(install):
    with scripted_schema((500, b"")) as (registry, schema_id, schema, path):
        registry.script[path] = [(500, b"")]
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 60, schema_id, schema, "first")
        drawdown.client.flush()
        wait_until(lambda: waits(worker) == 1, "the pair to wait")
        drawdown.client.produce("usage", consume("acme", 50, "second"))
        drawdown.client.flush()
        second_at = time.time()
        wait_until(lambda: time.time() > second_at + 0.01, "a later timestamp of the broker's")
        drawdown.client.produce("commands", grant("acme", 1, "third"))
        drawdown.client.flush()
        wait_until(lambda: registry.count(path) >= 3, "the question to be repeated")
        assert waits(worker) == 1
        assert drawdown.books.balance("acme", CURRENCY) == 100
        assert worker.metrics()['drawdown_registry_failures_total{class="retry"}'] >= 3
        registry.script[path] = [answer_of(schema)]
        drawdown.wait_for_lag_zero()
    rows = drawdown.books.query("select idempotency_key as key from drawdown.ledger_entry order by seq")
    assert list(dict.fromkeys(row["key"] for row in rows))[-3:] == ["first", "second", "third"]
    drawdown.audit()


def test_a_registry_killed_in_the_middle_loses_nothing_and_holds_up_no_other_partition(install, registry):
    drawdown = install({"registry.url": registry.url})
    learn_outputs(drawdown, registry)
    known_id, known = registered(registry)
    new_id, new = registered(registry)
    worker = drawdown.worker().start()
    waiting, other = customers_of_partitions(drawdown, 2)
    produce(drawdown, other, 1, known_id, known)
    drawdown.wait_for_lag_zero()
    registry.kill()
    try:
        produce(drawdown, waiting, 10, new_id, new)
        produce(drawdown, waiting, 20, known_id, known)
        for _ in range(50):
            produce(drawdown, other, 1, known_id, known)
        drawdown.wait_for_balance(other, 49)
        wait_until(lambda: "waits at offset" in worker.log_text(), "the wait to be told")
        assert waits(worker) == 1
        assert drawdown.books.balance(waiting, CURRENCY) == 100
        worker.kill()  # another that waits from its beginning
        worker.start()
        wait_until(lambda: waits(worker) == 1, "the pair to wait again")
        produce(drawdown, other, 1, known_id, known)
        drawdown.wait_for_balance(other, 48)
        assert worker.terminate() == 0  # a stop does not wait for it
        worker.start()
        wait_until(lambda: waits(worker) == 1, "the pair to wait again")
    finally:
        registry.start_again()
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balance(waiting, CURRENCY) == 70
    wait_until(lambda: "goes on at offset" in worker.log_text(), "the end of the wait to be told")
    assert "answers again" in worker.log_text()
    assert reasons(drawdown) == []
    drawdown.audit()


def test_a_pair_that_waits_can_be_given_away(install):
    with scripted_schema() as (registry, schema_id, schema, path):
        registry.script[path] = [(503, b"")]
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        first = drawdown.worker("a").start()
        waiting, _other = customers_of_partitions(drawdown, 2)
        drawdown.wait_for_lag_zero()
        produce(drawdown, waiting, 10, schema_id, schema)
        drawdown.client.flush()
        wait_until(lambda: waits(first) == 1, "the pair to wait")
        second = drawdown.worker("b").start()
        wait_until(lambda: waits(first) + waits(second) == 1, "the pair to wait with one of them")
        registry.script[path] = [answer_of(schema)]
        drawdown.wait_for_lag_zero()
    assert drawdown.books.balance(waiting, CURRENCY) == 90
    drawdown.audit()


def test_an_id_that_the_registry_does_not_know_is_a_dead_letter_until_it_does(install, registry):
    drawdown = install({"registry.url": registry.url, "registry.unknown.lifetime": "1s"})
    learn_outputs(drawdown, registry)
    schema = usage_schema()
    next_id = registered(registry)[0] + 1
    worker = drawdown.worker().start()
    fund(drawdown, "acme")
    asked_before = worker.metrics()["drawdown_registry_requests_total"]
    for _ in range(3):
        produce(drawdown, "acme", 1, next_id, schema)
    drawdown.client.produce("usage", consume("acme", 5))
    drawdown.wait_for_balance("acme", 95)
    drawdown.wait_until_counted()
    assert reasons(drawdown) == ["unknown_schema"] * 3
    name = registry.url.removeprefix("http://")
    assert errors(drawdown)[0].startswith(f"registry {name} answers GET /schemas/ids/{next_id} with 404: ")
    assert worker.metrics()["drawdown_registry_requests_total"] == asked_before + 1
    drawdown.audit()
    assert registered(registry, schema)[0] == next_id
    letters = len(reasons(drawdown))

    def is_applied():
        produce(drawdown, "acme", 1, next_id, schema)
        drawdown.wait_for_lag_zero()
        return drawdown.books.balance("acme", CURRENCY) < 95 or len(reasons(drawdown)) > letters + 200

    wait_until(is_applied, "the schema to be asked for again", pause=0.2)
    assert drawdown.books.balance("acme", CURRENCY) == 94


@pytest.mark.parametrize("schema_id", [0, 2**31, 2**32 - 1])
def test_ids_that_no_registry_gives_are_dead_letters_unasked(install, schema_id):
    with scripted() as registry:
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        drawdown.worker().start()
        drawdown.client.produce("usage", confluent(schema_id, b"x"), key="acme")
        drawdown.client.produce("usage", CONFLUENT + b"\0\0", key="acme")
        fund(drawdown, "acme")
        assert sorted(reasons(drawdown)) == ["malformed_avro", "unknown_schema"]
        why = f"schema {schema_id} of the registry is of no use: no registry gives such an id"
        assert sorted(errors(drawdown)) == [why, "the schema's id is cut off"]
        assert registry.questions == []
    drawdown.audit()


# --- references ---


def with_reference(name):
    """Usage whose dimensions come from another subject's schema."""
    schema = usage_schema()
    reason = {"name": "reason", "type": ["null", name], "default": None}
    schema["fields"].insert(0, reason)
    return schema


def test_references_are_resolved(install, registry):
    inner = {"type": "enum", "name": "Why", "namespace": "org.example", "symbols": ["TEST", "REAL"]}
    outer = {
        "type": "record",
        "name": "Reason",
        "namespace": "org.example",
        "fields": [{"name": "why", "type": "Why"}, {"name": "note", "type": "string"}],
    }
    inner_subject, outer_subject = f"why-{next(numbers)}", f"reason-{next(numbers)}"
    registry.register(inner_subject, inner)
    registry.register(outer_subject, outer, [{"name": "org.example.Why", "subject": inner_subject, "version": 1}])
    schema = with_reference("org.example.Reason")
    references = [{"name": "org.example.Reason", "subject": outer_subject, "version": 1}]
    schema_id = registry.register(f"usage-{next(numbers)}", schema, references)
    names = {}
    for known in (inner, outer):
        fastavro.parse_schema(copy.deepcopy(known), named_schemas=names)
    SCHEMAS_BY_ID[schema_id] = fastavro.parse_schema(copy.deepcopy(schema), named_schemas=names)

    drawdown = install({"registry.url": registry.url})
    learn_outputs(drawdown, registry)
    drawdown.worker().start()
    fund(drawdown, "acme")
    event = consume("acme", 10) | {"reason": {"why": "REAL", "note": "n"}}
    drawdown.client.produce("usage", confluent(schema_id, encode(schema, event, (inner, outer))), key="acme")
    drawdown.wait_for_balance("acme", 90)
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_references_that_cannot_be_resolved_make_dead_letters(install):
    schema, schema_id = with_reference("org.example.Reason"), next(scripted_ids)
    reference = {"name": "org.example.Reason", "subject": "a/b c", "version": 3}
    path = f"/schemas/ids/{schema_id}"
    script = {path: [(200, {"schema": json.dumps(schema), "references": [reference]})]}
    with scripted(script | {"/subjects/a%2Fb%20c/versions/3": [NO_SCHEMA]}) as registry:
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        drawdown.client.produce("usage", confluent(schema_id, b"x"), key="acme")
        fund(drawdown, "acme")
        assert reasons(drawdown) == ["unknown_schema"]
        assert registry.count("/subjects/a%2Fb%20c/versions/3") == 1
    why = (
        f"schema {schema_id} of the registry is of no use: registry {registry.url.removeprefix('http://')} answers "
        "GET /subjects/a%2Fb%20c/versions/3 with 404: Schema not found"
    )
    assert errors(drawdown) == [why]
    assert why in worker.log_text()
    drawdown.audit()
