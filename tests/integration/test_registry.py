"""Schemas of a registry: inputs are decoded by them, outputs bear their ids, and a registry that is away or not well
holds up nobody but the partitions that need what only it knows.

Method: a real registry (Apicurio), registered to and killed as a producer's team and its operator would; for what it does
not do on demand (failures, slow and wrong answers, credentials) one that answers by a script. Schemas of producers are
drawdown's own with their fields in another order and one more.
"""

import copy
import io
import itertools
import json
import signal
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from support.client import CONFLUENT, SCHEMAS_BY_ID, SINGLE_OBJECT
from support.events import CURRENCY, consume, grant
from support.faults import ledger_locked, wait_for_blocked_lanes, wait_for_lanes_at_rest
from support.registry import NO_SCHEMA, confluent, scripted
from support.servers import ROOT
from support.wait import wait_until

FAILED, USAGE, DIFFERENCE = 2, 1, 3
JSON_OUTPUTS = {"outputs.format": "json"}
numbers = itertools.count(1)
scripted_ids = itertools.count(1_000_001)  # never those of the real one


def usage_schema():
    """Another one each time: Consume as a producer's team might write it."""
    schema = json.loads((ROOT / "proto/Consume.avsc").read_text())
    schema["fields"].reverse()
    schema["fields"].insert(1, {"name": f"extra{next(numbers)}", "type": ["null", "string"], "default": None})
    return schema


def encode(schema, event, named=()):
    names = {}
    for other in named:
        fastavro.parse_schema(copy.deepcopy(other), named_schemas=names)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(copy.deepcopy(schema), named_schemas=names), event)
    return body.getvalue()


def know(schema_id, schema):
    SCHEMAS_BY_ID[schema_id] = fastavro.parse_schema(copy.deepcopy(schema))
    return schema_id


def produce(drawdown, customer, amount, schema_id, schema, key=None):
    event = consume(customer, amount, key)
    drawdown.client.produce("usage", confluent(schema_id, encode(schema, event)), key=customer)


def registered(registry, schema=None):
    schema = schema or usage_schema()
    return know(registry.register(f"usage-{next(numbers)}", schema), schema), schema


def answer_of(schema):
    return 200, {"schema": json.dumps(schema)}


@contextmanager
def scripted_schema(*before):
    """A scripted registry that knows one schema, after those answers."""
    schema, schema_id = usage_schema(), next(scripted_ids)
    path = f"/schemas/ids/{schema_id}"
    with scripted({path: [*before, answer_of(schema)]}) as registry:
        yield registry, know(schema_id, schema), schema, path


def learn_outputs(drawdown, registry):
    """The ids that `topics create` was given."""
    for name, topic in (("LedgerEntry", "ledger"), ("Balance", "balances"), ("Outcome", "outcomes"), ("Notification", "notifications")):
        latest = registry.ask("GET", f"/subjects/{drawdown.prefix}{topic}-drawdown.{name}/versions/latest")
        know(latest["id"], json.loads(latest["schema"]))


def waits(worker):
    return worker.metrics()["drawdown_schema_waits"]


def reasons(drawdown):
    return [dict(record.headers)["drawdown.reason"].decode() for record in drawdown.client.read("dead-letters")]


def errors(drawdown):
    return [dict(record.headers)["drawdown.error"].decode() for record in drawdown.client.read("dead-letters")]


def fund(drawdown, *customers):
    for customer in customers:
        drawdown.client.produce("commands", grant(customer, 100))
    drawdown.wait_for_lag_zero()


def customers_of_partitions(drawdown, count):
    """One customer each for so many of the usage topic's partitions."""
    found = {}
    for number in itertools.count():
        customer = f"c{number}"
        drawdown.client.produce("commands", grant(customer, 100))
        drawdown.client.flush()
        for record in drawdown.client.read("commands"):
            found.setdefault(record.partition, record.key)
        if len(found) >= count:
            return list(found.values())[:count]


# --- inputs ---


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
    assert errors(drawdown)[0] == f"no schema has the id {next_id}"
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
        assert registry.questions == []
    drawdown.audit()


# --- answers that a real registry does not give on demand ---


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([(500, b"oops"), (503, {"error_code": 50003, "message": "forwarding"})], id="server error"),
        pytest.param([(429, b""), (408, b"")], id="too busy"),
        pytest.param([(200, b"<html>log in</html>"), (200, {"schemas": 1}), (200, b"")], id="garbage"),
        pytest.param([(404, b"<html>not here</html>"), (404, {"error_code": 404, "message": "HTTP 404 Not Found"})], id="not the registry's 404"),
        pytest.param([(302, b""), (401, {"error_code": 401, "message": "no"}), (403, b"")], id="refused"),
        pytest.param([(200, b"x" * 1_100_000)], id="too long"),
    ],
)
def test_answers_that_say_nothing_for_sure_are_waited_out(install, answers):
    with scripted_schema(*answers) as (registry, schema_id, schema, path):
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.wait_for_lag_zero()
        assert drawdown.books.balance("acme", CURRENCY) == 90
        assert registry.count(path) == len(answers) + 1
        metrics = worker.metrics()
        failures = [metrics[f'drawdown_registry_failures_total{{class="{name}"}}'] for name in ("retry", "fatal")]
        assert sum(failures) == len(answers)
    assert reasons(drawdown) == []
    drawdown.audit()


MANY = [{"name": f"a{number}", "subject": "a", "version": number} for number in range(1, 34)]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param({"schema": "x" * 1_100_000}, "registry {name} answers {path} with more than 1048576 bytes", id="too long"),
        pytest.param(
            {"schema": "{}", "references": MANY},
            "registry {name} answers {path} with a schema of no use: it has 33 references, more than 32",
            id="too many references",
        ),
        pytest.param(
            {"schema": "{}", "references": [{"name": "a"}]},
            "registry {name} answers {path} with a schema of no use: a reference has no name, subject or version",
            id="references of no use",
        ),
        pytest.param(
            {"schema": "a\0b"},
            "registry {name} answers {path} with a schema of no use: its schema holds a NUL",
            id="NUL",
        ),
        pytest.param(
            {"schema": "{}", "schemaType": 7},
            "registry {name} answers {path} with a schema of no use: its schemaType is no name",
            id="odd type",
        ),
    ],
)
def test_a_schema_of_no_use_stops_nothing_behind_it(install, answer, why):
    schema_id = next(scripted_ids)
    path = f"/schemas/ids/{schema_id}"
    with scripted({path: [(200, answer)]}) as registry:
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        drawdown.client.produce("usage", confluent(schema_id, b"x"), key="acme")
        fund(drawdown, "acme")
        assert reasons(drawdown) == ["unknown_schema"]
        assert registry.count(path) == 1
        why = why.format(name=registry.url.removeprefix("http://"), path=path)
    assert why in worker.log_text()
    drawdown.audit()


def test_an_answer_that_takes_too_long_is_asked_for_again(install):
    slow = threading.Event()

    def sleep(_handler):
        slow.wait(60)
        return b""

    with scripted_schema((200, sleep)) as (registry, schema_id, schema, path):
        drawdown = install({"registry.url": registry.url, "registry.timeout": "200ms"} | JSON_OUTPUTS)
        drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.wait_for_balance("acme", 90)
        assert registry.count(path) == 2
        slow.set()
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_a_schema_that_is_never_answered_does_not_hold_up_another(install):
    with scripted_schema((500, b"")) as (registry, bad_id, bad, bad_path):
        registry.script[bad_path] = [(500, b"")]
        good, good_id = usage_schema(), next(scripted_ids)
        registry.script[f"/schemas/ids/{good_id}"] = [answer_of(good)]
        know(good_id, good)
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        drawdown.worker().start()
        waiting, other = customers_of_partitions(drawdown, 2)
        drawdown.wait_for_lag_zero()
        produce(drawdown, waiting, 1, bad_id, bad)
        drawdown.client.flush()
        wait_until(lambda: registry.count(bad_path) >= 2, "the question to be repeated")
        produce(drawdown, other, 1, good_id, good)
        drawdown.wait_for_balance(other, 99)
        registry.script[bad_path] = [answer_of(bad)]
        drawdown.wait_for_lag_zero()
    drawdown.audit()


CREDENTIALS = {
    "basic": ({"registry.user": "ann", "registry.password": "s3cret"}, "Basic YW5uOnMzY3JldA=="),
    "bearer": ({"registry.token": "t0ken-s3cret"}, "Bearer t0ken-s3cret"),
    "password file": ({"registry.user": "ann", "registry.password.file": "s3cret\n"}, "Basic YW5uOnMzY3JldA=="),
    "token file": ({"registry.token.file": "t0ken-s3cret"}, "Bearer t0ken-s3cret"),
}


@pytest.mark.parametrize("how", CREDENTIALS)
def test_credentials_go_to_the_registry_and_nowhere_else(install, tmp_path, how):
    options, expected = CREDENTIALS[how]
    options = dict(options)
    for name in [name for name in options if name.endswith(".file")]:
        (tmp_path / "credential").write_text(options[name])
        options[name] = tmp_path / "credential"
    with scripted_schema((401, b"")) as (registry, schema_id, schema, _path):
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS | options)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.wait_for_balance("acme", 90)
        assert {headers.get("Authorization") for _method, _path, headers in registry.questions} == {expected}
    log = worker.log_text()
    assert "check registry.user and its password, or registry.token, and their rights" in log
    assert "s3cret" not in log
    shown = drawdown.run("config", "check", check=False)
    assert "s3cret" not in shown.stdout + shown.stderr


def test_a_registry_with_a_certificate_of_our_own_is_trusted_by_name_only(install, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    schema, schema_id = usage_schema(), next(scripted_ids)
    know(schema_id, schema)
    with scripted({f"/schemas/ids/{schema_id}": [answer_of(schema)]}, tls=tls) as registry:
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.client.flush()
        wait_until(lambda: "registry.ca.file names the certificates to trust" in worker.log_text(), "the refusal")
        assert registry.questions == []
        worker.kill()
        drawdown.worker("b", {"registry.ca.file": certificate}).start()
        drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("acme", CURRENCY) == 90
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
    assert (
        f"schema {schema_id} of the registry is of no use: registry {registry.url.removeprefix('http://')} answers "
        "GET /subjects/a%2Fb%20c/versions/3 with 404: Schema not found" in worker.log_text()
    )
    drawdown.audit()


# --- kept in the database ---


def test_a_worker_without_its_registry_decodes_and_publishes_as_before(install):
    """Recorded with a registry, killed before it was published, read again without one."""
    with scripted_schema() as (registry, schema_id, schema, path):
        unknown_id = next(scripted_ids)

        def recorded():
            return sum(to for (topic, _partition), to in drawdown.recorded().items() if topic == "usage")

        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        with ledger_locked(drawdown) as unlock:
            produce(drawdown, "acme", 10, schema_id, schema)
            drawdown.client.produce("usage", confluent(unknown_id, b"x"), key="acme")
            drawdown.client.flush()
            wait_for_blocked_lanes(drawdown)
            with drawdown.servers.frozen("kafka"):
                unlock()
                wait_until(lambda: recorded() == 2, "both to be recorded")
                wait_for_lanes_at_rest(drawdown)
                worker.kill()
    worker.start()  # nobody is there any more, and what was read once is not asked for again
    drawdown.wait_for_lag_zero()
    produce(drawdown, "acme", 20, schema_id, schema)
    drawdown.wait_for_balance("acme", 70)
    assert reasons(drawdown) == ["unknown_schema"]
    drawdown.wait_for_lag_zero()
    drawdown.audit()
    assert worker.terminate() == 0
    options = {name: value for name, value in drawdown.options.items() if not name.startswith("registry.")}
    drawdown.options = options
    drawdown.worker("b").start()  # not even configured
    produce(drawdown, "acme", 20, schema_id, schema)
    drawdown.wait_for_balance("acme", 50)
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_ids_of_another_registry_are_refused(install):
    with scripted_schema() as (registry, schema_id, schema, _path):
        drawdown = install({"registry.url": registry.url, "registry.name": "ours"} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.wait_for_balance("acme", 90)
        assert worker.terminate() == 0
        other = drawdown.worker("b", {"registry.name": "theirs"})
        assert other.refuses() == USAGE
        assert "the database keeps ids of registry ours, but registry.name is theirs" in other.log_text()
        assert "set registry.name = ours" in other.log_text()


def test_a_schema_that_no_registry_has_is_added_by_hand(install, tmp_path):
    drawdown = install({"registry.unknown.lifetime": "1s"})
    drawdown.worker().start()
    fund(drawdown, "acme")
    schema = usage_schema()
    fingerprint = bytes.fromhex(
        fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO")
    )

    def send():
        value = SINGLE_OBJECT + fingerprint + encode(schema, consume("acme", 1))
        drawdown.client.produce("usage", value, key="acme")
        drawdown.wait_for_lag_zero()

    send()
    assert reasons(drawdown) == ["unknown_schema"]
    path = tmp_path / "usage.avsc"
    path.write_text(json.dumps(schema))
    hexadecimal = fingerprint[::-1].hex()
    for _ in range(2):
        said = drawdown.run("schemas", "add", str(path)).stdout
        assert said == f"kept drawdown.Consume with fingerprint {hexadecimal}\n"
    listed = drawdown.run("schemas", "list", "--json").stdout.splitlines()
    assert [json.loads(line)["fingerprint"] for line in listed] == [hexadecimal]
    assert json.loads(json.loads(listed[0])["schema"]) == schema
    wait_until(lambda: send() or drawdown.books.balance("acme", CURRENCY) < 100, "the schema to be looked for", pause=0.2)
    drawdown.worker("b").start()  # knows it from its start


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "the schema is not JSON, or nested deeper than 64 levels"),
        (
            '{"type":"record","name":"x","fields":[{"name":"a","type":"nothing"}]}',
            "the schema has an unknown type nothing",
        ),
    ],
)
def test_a_schema_of_no_use_is_not_added(drawdown, tmp_path, text, why):
    path = tmp_path / "bad.avsc"
    path.write_text(text)
    done = drawdown.run("schemas", "add", str(path), check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (USAGE, f"drawdown schemas: {path}: {why}")
    assert drawdown.run("schemas", "list", "--json").stdout == ""


# --- outputs ---


def test_outputs_are_read_by_a_deserializer_of_the_registry(install, registry):
    drawdown = install({"registry.url": registry.url, "outcomes": "all"})
    learn_outputs(drawdown, registry)
    drawdown.worker().start()
    fund(drawdown, "acme")
    drawdown.client.produce("usage", consume("acme", "2.5", dimensions={"model": "x"}))
    drawdown.wait_for_lag_zero()
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry.url}))
    names = {}
    for topic in ("ledger", "balances", "outcomes", "notifications"):
        for record in drawdown.client.read(topic):
            assert record.raw.startswith(CONFLUENT)
            value = deserialize(record.raw, SerializationContext(record.topic, MessageField.VALUE))
            assert value["customerId"] == "acme"
            names.setdefault(topic, []).append(value)
    assert set(names) == {"ledger", "balances", "outcomes", "notifications"}
    assert [str(entry["amount"]) for entry in names["ledger"]] == ["100.000000000000", "-2.500000000000"]
    drawdown.audit()
    read = [json.loads(line) for line in drawdown.run("tail", "ledger", "--from-beginning", "--no-follow").stdout.splitlines()]
    assert [record["value"]["amount"] for record in read] == [100, -2.5]
    drawdown.run("verify", "--topic")
    answer = drawdown.run("grant", "acme", CURRENCY, "1", "--type", "PAID")
    assert answer.stdout.startswith("applied")


def test_topics_create_registers_the_outputs_subjects(install, registry):
    drawdown = install({"registry.url": registry.url}, topics=False)
    subjects = [
        f"{drawdown.prefix}{topic}-drawdown.{name}"
        for topic, name in (
            ("ledger", "LedgerEntry"),
            ("balances", "Balance"),
            ("outcomes", "Outcome"),
            ("notifications", "Notification"),
        )
    ]

    def create(*options, check=True):
        done = drawdown.run("topics", "create", "--json", *options, check=check)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, [line for line in lines if "subject" in line]

    code, missing = create("--dry-run", check=False)
    assert (code, [line["state"] for line in missing]) == (DIFFERENCE, ["missing"] * 4)
    code, created = create()
    assert code == 0
    assert [line["subject"] for line in created] == subjects
    assert {(line["state"], line["compatibility"]) for line in created} == {("registered", "FULL_TRANSITIVE")}
    for line in created:
        assert registry.ask("GET", f"/config/{line['subject']}") == {"compatibilityLevel": "FULL_TRANSITIVE"}
    code, again = create()
    assert (code, {line["state"] for line in again}) == (0, {"as planned"})
    assert [line["id"] for line in again] == [line["id"] for line in created]


def test_older_schemas_of_a_subject_loosen_what_is_demanded(install, registry):
    drawdown = install({"registry.url": registry.url}, topics=False)
    subject = f"{drawdown.prefix}balances-drawdown.Balance"
    older = json.loads((ROOT / "proto/Balance.avsc").read_text())
    older["fields"].append({"name": "gone", "type": "string"})  # without it nobody who reads by this schema can
    registry.register(subject, older)
    done = drawdown.run("topics", "create", "--json")
    lines = {line["subject"]: line for line in map(json.loads, done.stdout.splitlines()) if "subject" in line}
    assert lines[subject]["compatibility"] == "BACKWARD_TRANSITIVE"


def test_a_worker_whose_outputs_are_not_registered_says_so_and_ends(install, registry):
    drawdown = install()
    worker = drawdown.worker(options={"registry.url": registry.url})
    assert worker.refuses() == FAILED
    name = registry.url.removeprefix("http://")
    assert (
        f"the schema of subject {drawdown.prefix}ledger-drawdown.LedgerEntry is not registered in {name}"
        in worker.log_text()
    )
    assert "drawdown topics create" in worker.log_text()


def test_outputs_bear_the_ids_that_they_bore_at_first_when_the_registry_is_away(install, registry):
    drawdown = install({"registry.url": registry.url})
    learn_outputs(drawdown, registry)
    worker = drawdown.worker().start()
    fund(drawdown, "acme")
    assert worker.terminate() == 0
    registry.kill()
    try:
        worker.start()
        drawdown.client.produce("usage", consume("acme", 1))
        drawdown.wait_for_balance("acme", 99)
        drawdown.wait_for_lag_zero()
        assert len({record.raw[:5] for record in drawdown.client.read("ledger")}) == 1
        drawdown.audit()
        assert "value" in drawdown.run("tail", "ledger", "--from-beginning", "--no-follow").stdout
        drawdown.run("verify", "--topic")
    finally:
        registry.start_again()


def test_a_registry_that_is_away_at_the_first_start_is_waited_for(install, registry):
    drawdown = install({"registry.url": registry.url})
    learn_outputs(drawdown, registry)
    registry.end("registry", signal.SIGTERM)
    try:
        worker = drawdown.worker().start(ready=False)
        wait_until(lambda: "registry.ask" in worker.log_text(), "the worker to say what it waits for")
        assert worker.get("/readyz") == (503, "waiting for PostgreSQL, or for the schema registry\n")
    finally:
        registry.start_again()
    worker.wait_ready()
    fund(drawdown, "acme")
    drawdown.audit()
