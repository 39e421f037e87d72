"""Avro outputs with a registry: subjects are registered by `topics create` and never by a worker, and the ids that records
bear stay the same.

Method: a real registry (Apicurio), and a deserializer of Confluent's.
"""

import json
import signal

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from support.client import CONFLUENT
from support.events import CURRENCY, consume
from support.schemas import fund, learn_outputs
from support.servers import ROOT
from support.wait import wait_until

FAILED, DIFFERENCE = 2, 3


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
    assert not any(subject.startswith(drawdown.prefix) for subject in registry.ask("GET", "/subjects"))


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
