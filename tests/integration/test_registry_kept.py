"""Schemas that are kept in the database: what was decoded once is decoded so again, registry or no registry.

Method: the registry answers by a script, then is gone; workers are held and killed between their two commits.
"""

import json

import fastavro
import psycopg
import pytest
from support.client import SINGLE_OBJECT
from support.events import CURRENCY, consume
from support.faults import ledger_locked, wait_for_blocked_lanes, wait_for_lanes_at_rest
from support.registry import confluent
from support.schemas import (
    JSON_OUTPUTS,
    answer_of,
    customers_of_partitions,
    encode,
    errors,
    fund,
    learn_outputs,
    numbers,
    produce,
    reasons,
    scripted_ids,
    scripted_schema,
    usage_schema,
)
from support.servers import ROOT
from support.wait import wait_until

USAGE, FAILED = 1, 2


def own_schema():
    return json.loads((ROOT / "proto/Consume.avsc").read_text())


def test_a_worker_decodes_and_publishes_as_before_whatever_its_registry_says(install):
    """Recorded with a registry, killed before it was published; read again when the registry says otherwise, then without
    one."""
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
        unknown_path = f"/schemas/ids/{unknown_id}"
        registry.script |= {path: [answer_of(own_schema())], unknown_path: [answer_of(own_schema())]}
        worker.start()
        drawdown.wait_for_lag_zero()
        assert [registry.count(asked) for asked in (path, unknown_path)] == [1, 1]
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


def test_a_worker_without_a_registry_takes_over_from_one_that_has_it(install):
    """As while a registry is rolled out: what the one recorded and could not publish, the other publishes."""
    with scripted_schema() as (registry, schema_id, schema, _path):
        drawdown = install(JSON_OUTPUTS)
        without = drawdown.worker("a").start()
        having = drawdown.worker("b", {"registry.url": registry.url}).start()

        def positions(worker):
            return {name for name in worker.metrics() if name.startswith("drawdown_position{")}

        wait_until(lambda: len(positions(without)) == len(positions(having)) == 4, "two pairs for each")
        customers_of_partitions(drawdown, 4)
        drawdown.wait_for_lag_zero()
        prefix = f'drawdown_position{{topic="{drawdown.prefix}commands",partition='
        customer = next(
            record.key for record in drawdown.client.read("commands") if f'{prefix}"{record.partition}"}}' in positions(having)
        )
        with ledger_locked(drawdown) as unlock:
            produce(drawdown, customer, 10, schema_id, schema)
            drawdown.client.flush()
            wait_for_blocked_lanes(drawdown)
            with drawdown.servers.frozen("kafka"):
                unlock()
                wait_until(lambda: drawdown.books.balance(customer, CURRENCY) == 90, "it to be recorded")
                wait_for_lanes_at_rest(drawdown)
                having.kill()
    drawdown.wait_for_lag_zero()
    produce(drawdown, customer, 20, schema_id, schema)
    drawdown.wait_for_balance(customer, 70)
    drawdown.wait_for_lag_zero()
    assert reasons(drawdown) == []
    drawdown.audit()


def test_where_no_schema_can_be_kept_outputs_go_on_and_new_inputs_are_dead_letters(install, registry):
    drawdown = install({"registry.url": registry.url})
    learn_outputs(drawdown, registry)
    with psycopg.connect(drawdown.owner_url) as owner:
        owner.execute("insert into drawdown.writer_schema select '', n, '\"int\"', now() from generate_series(1, 968) n")
    schema_id = registry.register(f"usage-{next(numbers)}", usage_schema())
    drawdown.worker().start()
    drawdown.client.produce("usage", confluent(schema_id, b"x"), key="acme")
    fund(drawdown, "acme")
    assert errors(drawdown) == ["no room for another schema: 968 are kept"]
    assert reasons(drawdown) == ["unknown_schema"]
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
    path.write_text(json.dumps(schema | {"doc": "no fingerprint tells"}))
    refused = drawdown.run("schemas", "add", str(path), check=False)
    assert refused.returncode == FAILED
    assert refused.stderr.splitlines()[0].endswith(f"another schema is kept with the same fingerprint {hexadecimal}")


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
