"""Schemas that are kept in the database: what was decoded once is decoded so again, registry or no registry.

Method: the registry answers by a script, then is gone; workers are held and killed between their two commits.
"""

import json

import fastavro
import pytest
from support.client import SINGLE_OBJECT
from support.events import CURRENCY, consume
from support.faults import ledger_locked, wait_for_blocked_lanes, wait_for_lanes_at_rest
from support.registry import confluent
from support.schemas import (
    JSON_OUTPUTS,
    encode,
    fund,
    produce,
    reasons,
    scripted_ids,
    scripted_schema,
    usage_schema,
)
from support.wait import wait_until

USAGE = 1


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
