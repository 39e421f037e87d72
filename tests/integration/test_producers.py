"""Producers and readers that nobody here wrote: the examples of proto/examples in four languages, Kafka's own console
tools and kcat. What they produce is applied as it was meant, and each reads the ledger with its own deserializer, by way
of a schema registry too.

Method: each program runs as a producer's team would run it, beside a worker; the ledger as a program prints it is held
against what the independent client reads.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import fastavro
import pytest
from support.client import CONFLUENT, SCHEMAS_BY_ID
from support.events import grant
from support.servers import ROOT

EXAMPLES = ROOT / "proto/examples"
LANGUAGES = ("python", "java", "node", "go")
USAGE = ("usage", "Consume")
LEDGER = ("ledger", "LedgerEntry")
REGISTRY = ("registry", "Consume")


@pytest.fixture(scope="session")
def clients():
    """The directory with the clients, fetched once for a machine, and Kafka's jars."""
    script = 'set -euo pipefail; source deploy/lib.sh; fetch_examples; echo "$EXAMPLES"; echo "$KAFKA_JARS"'
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.split()


def command(language, clients, program):
    """The words with which a program of the examples is run, less its arguments; those that follow its arguments."""
    name, schema = program
    schema = str(ROOT / f"proto/{schema}.avsc")
    match language:
        case "python":
            return [sys.executable, EXAMPLES / f"python/{name}.py"], []
        case "java":
            source = EXAMPLES / f"java/{name.capitalize()}.java"
            return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{clients[0]}/java/*", source], [schema]
        case "node":
            return ["node", EXAMPLES / f"node/{name}.js"], []
        case "go":
            return [f"{clients[0]}/go/{name}"], [schema]


def run(words, input=None, **environment):
    done = subprocess.run(
        [str(word) for word in words],
        input=input,
        capture_output=True,
        timeout=100,
        env=os.environ | environment,
    )
    assert done.returncode == 0, f"{words}: exit code {done.returncode}\n{done.stderr.decode()}"
    return done.stdout.decode()


def run_example(language, clients, program, *arguments):
    words, further = command(language, clients, program)
    return run([*words, *arguments, *further], NODE_PATH=f"{clients[0]}/node/node_modules")


def printed(entry):
    """A ledger entry as the examples print it."""
    amounts = (f"{Decimal(entry[name]).normalize():f}" for name in ("amount", "balanceAfter"))
    return " ".join([str(entry["seq"]), entry["eventType"], *amounts, str(entry["idempotencyKey"])])


@pytest.mark.parametrize("format", ["json", "avro"])
def test_the_examples_of_all_languages_produce_usage_and_read_the_ledger(install, clients, format):
    drawdown = install({"outputs.format": format})
    drawdown.worker().start()
    topic = f"{drawdown.prefix}usage"
    for language in LANGUAGES:
        drawdown.client.produce("commands", grant(f"{language}.co", 10))
    drawdown.wait_for_lag_zero()
    for language in LANGUAGES:
        for _ in range(2):  # the second time all of it is a duplicate
            run_example(language, clients, USAGE, drawdown.servers.bootstrap, topic, f"{language}.co")
    drawdown.wait_for_lag_zero()
    entries = [record.value for record in drawdown.client.read("ledger")]
    for language in LANGUAGES:
        own = [entry for entry in entries if entry["customerId"] == f"{language}.co"]
        assert [(entry["idempotencyKey"], entry["amount"]) for entry in own[1:]] == [
            (f"{language}-json", Decimal("-1.5")),
            (f"{language}-avro", Decimal("-2.25")),
        ]
        assert all(entry["dimensions"] == {"model": "large", "tokens": 1200} for entry in own[1:])
        assert all(entry["eventTime"] <= entry["recordedAt"] for entry in own[1:])
    outcomes = [record.value["outcome"] for record in drawdown.client.read("outcomes")]
    assert outcomes == ["duplicate"] * 2 * len(LANGUAGES)
    partitions = {record.key: record.partition for record in drawdown.client.read("commands")}
    for record in drawdown.client.read("usage"):
        assert record.partition == partitions[record.key], "all clients partition alike"

    for language in LANGUAGES:
        lines = run_example(
            language, clients, LEDGER, drawdown.servers.bootstrap, f"{drawdown.prefix}ledger", len(entries)
        )
        assert sorted(lines.splitlines()) == sorted(map(printed, entries)), language
    drawdown.audit()


def native(url):
    """Apicurio's own interface, which its serde asks, of a registry's for Confluent's clients."""
    return url.replace("/ccompat/v7", "/registry/v2")


def register_usage(drawdown, registry):
    """As the team that owns the schema would: the subject's rule is the one that proto/README.md wants."""
    subject = f"{drawdown.prefix}usage-value"
    registry.register(subject, (ROOT / "proto/Consume.avsc").read_text())
    registry.ask("PUT", f"/config/{subject}", {"compatibility": "FULL_TRANSITIVE"})


def learn_schemas(drawdown, registry):
    """All versions of the installation's subjects, by their ids."""
    for subject in registry.ask("GET", "/subjects"):
        if subject.startswith(drawdown.prefix):
            for version in registry.ask("GET", f"/subjects/{subject}/versions"):
                known = registry.ask("GET", f"/subjects/{subject}/versions/{version}")
                SCHEMAS_BY_ID[known["id"]] = fastavro.parse_schema(json.loads(known["schema"]))


def console_reads_avro(clients, bootstrap, registry, topic, count):
    """What Kafka's console consumer prints with a registry's deserializer, which knows no decimals."""
    deserializer = {
        "": "io.apicurio.registry.serde.avro.AvroKafkaDeserializer",
        ".apicurio.registry.url": native(registry.url),
        ".apicurio.registry.as-confluent": "true",
        ".apicurio.registry.use-id": "contentId",
    }
    words = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{clients[1]}/*:{clients[0]}/java/*"]
    words += ["org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", bootstrap, "--topic", topic]
    words += ["--from-beginning", "--max-messages", count, "--isolation-level", "read_committed"]
    for name, value in deserializer.items():
        words += ["--property", f"value.deserializer{name}={value}"]
    return [json.loads(line) for line in run(words).splitlines()]


def amount_of(text):
    """A decimal as Avro's own text has its bytes."""
    return Decimal(int.from_bytes(text.encode("latin-1"), signed=True)).scaleb(-12)


def test_the_registry_clients_of_all_languages_produce_usage_and_read_the_ledger(install, clients, registry):
    drawdown = install({"registry.url": registry.url})
    register_usage(drawdown, registry)
    drawdown.worker().start()
    for language in LANGUAGES:
        drawdown.client.produce("commands", grant(f"{language}.co", 10))
    drawdown.wait_for_lag_zero()
    topics = [f"{drawdown.prefix}usage", f"{drawdown.prefix}ledger"]
    count = 2 * len(LANGUAGES)

    def run_registry_example(language):
        url = native(registry.url) if language == "java" else registry.url
        return run_example(
            language, clients, REGISTRY, drawdown.servers.bootstrap, url, *topics, f"{language}.co", count
        )

    with ThreadPoolExecutor() as pool:  # each reads until it has what all have produced
        console = pool.submit(console_reads_avro, clients, drawdown.servers.bootstrap, registry, topics[1], count)
        printed_by = dict(zip(LANGUAGES, pool.map(run_registry_example, LANGUAGES)))
    learn_schemas(drawdown, registry)
    produced, entries = drawdown.client.read("usage"), drawdown.client.read("ledger")
    assert all(record.raw.startswith(CONFLUENT) for record in produced + entries)
    assert [record.key for record in sorted(produced, key=lambda record: record.key)] == sorted(
        f"{language}.co" for language in LANGUAGES
    )
    entries = [record.value for record in entries]
    for language in LANGUAGES:
        (own,) = (e for e in entries if e["idempotencyKey"] == f"{language}-registry")
        assert (own["customerId"], own["amount"]) == (f"{language}.co", Decimal("-0.75"))
        assert own["dimensions"] == {"model": "large", "tokens": 1200} and own["eventTime"] <= own["recordedAt"]
        assert sorted(printed_by[language].splitlines()) == sorted(map(printed, entries)), language
    of_console = sorted((e["entryId"], amount_of(e["amount"]), amount_of(e["balanceAfter"])) for e in console.result())
    assert of_console == sorted((e["entryId"], e["amount"], e["balanceAfter"]) for e in entries)
    drawdown.audit()


def test_kafkas_console_tools_and_kcat_produce_usage_and_read_the_ledger(install, clients):
    drawdown = install({"outputs.format": "json"})
    drawdown.worker().start()
    servers, topic = drawdown.servers.bootstrap, f"{drawdown.prefix}usage"
    drawdown.client.produce("commands", grant("acme", 10, "give"))
    drawdown.wait_for_lag_zero()
    java = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{clients[1]}/*"]

    def usage(key, amount):
        return (
            f'acme|{{"customerId":"acme","currencyId":"ai-tokens","amount":{amount},"idempotencyKey":"{key}"}}\n'
        ).encode()

    console = [*java, "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", servers, "--topic", topic]
    run(
        [*console, "--property", "parse.key=true", "--property", "key.separator=|"],
        input=usage("console", "1.5"),
    )
    run(["kcat", "-P", "-b", servers, "-t", topic, "-K|", "-X", "partitioner=murmur2"], input=usage("kcat", "0.25"))
    drawdown.wait_for_lag_zero()
    entries = drawdown.client.read("ledger")
    assert {(e.value["idempotencyKey"], e.value["amount"]) for e in entries} == {
        ("give", Decimal(10)),
        ("console", Decimal("-1.5")),
        ("kcat", Decimal("-0.25")),
    }
    assert len({record.partition for record in drawdown.client.read("usage")}) == 1
    raw = sorted(record.raw for record in entries)
    ledger = ["--bootstrap-server", servers, "--topic", f"{drawdown.prefix}ledger", "--from-beginning"]
    ledger += ["--max-messages", "3", "--isolation-level", "read_committed"]
    lines = run([*java, "org.apache.kafka.tools.consumer.ConsoleConsumer", *ledger]).encode().splitlines()
    assert sorted(lines) == raw
    read = ["kcat", "-C", "-b", servers, "-t", f"{drawdown.prefix}ledger", "-o", "beginning", "-c", "3", "-q"]
    assert sorted(run(read).encode().splitlines()) == raw
    drawdown.audit()
