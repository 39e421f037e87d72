"""`drawdown bench`: what it says it measured against what is in the databases and topics it leaves. No speed is tested."""

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from support.worker import DRAWDOWN, ENVIRONMENT

EVENTS = 20_000
CUSTOMERS = 1_000


class Bench:
    """A run of `drawdown bench --quick` that leaves its databases and topics behind."""

    def __init__(self, servers, directory, *arguments):
        self.servers = servers
        self.json = directory / "bench.json"
        self.pictures = directory / "pictures"
        self.config = directory / "bench.conf"
        self.config.write_text(
            f"kafka.bootstrap.servers = {servers.bootstrap}\n"
            f"database.url = {servers.env['ADMIN_URL']}\n"
            "topics.replication = 1\n"
        )
        self.done = self.run("--quick", "--json", self.json, "--pictures", self.pictures, *arguments)
        assert self.done.returncode == 0, self.done.stderr
        self.result = json.loads(self.json.read_text())

    def run(self, *arguments):
        return subprocess.run(
            [DRAWDOWN, "bench", *arguments, "--config", self.config],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            env=ENVIRONMENT,
        )

    def kept(self):
        """[(database, begin of the topics' names)], as it says."""
        return re.findall(r"kept: database (\S+), topics (\S+)\*", self.done.stderr)

    def url(self, database):
        return self.servers.env["ADMIN_URL"].rsplit("/", 1)[0] + "/" + database

    def query(self, database, statement):
        with psycopg.connect(self.url(database)) as connection:
            return connection.execute(statement).fetchone()

    def verify(self, database):
        return subprocess.run(
            [DRAWDOWN, "verify", "--set", f"database.url={self.url(database)}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env=ENVIRONMENT,
        )

    def messages(self, topic):
        """How many a reader of committed messages finds."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers.bootstrap,
                "group.id": "test-bench",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        messages, ends = [], 0
        while ends < len(partitions):
            message = consumer.poll(20)
            assert message is not None, "no end of the topic"
            if message.error():
                ends += 1
            else:
                messages.append(message.value())
        consumer.close()
        return messages


@pytest.fixture(scope="module")
def bench(servers, tmp_path_factory):
    return Bench(servers, tmp_path_factory.mktemp("bench"), "--only", "throughput,floor,transaction", "--keep")


def run_of(bench, part):
    (run,) = [run for run in bench.result["runs"] if run["part"] == part]
    return run


def find(bench, part):
    """Database and topics of a part, which are told in the order in which they were measured."""
    sites = bench.kept()
    count = "select count(*) from drawdown.ledger_entry where event_type = 2"
    with_books = [site for site in sites if bench.query(site[0], count)[0]]
    assert len(with_books) == 2
    return with_books[["throughput", "floor"].index(part)]


def test_throughput_is_of_real_debits_in_sound_books(bench):
    database, prefix = find(bench, "throughput")
    entries, debited = bench.query(
        database, "select count(*), -sum(amount) from drawdown.ledger_entry where event_type = 2"
    )
    assert entries == EVENTS == run_of(bench, "throughput")["entries"] == run_of(bench, "throughput")["inputs"]["applied"]
    accounts, consumed, granted = bench.query(
        database, "select count(*), sum(consumed), sum(granted) from drawdown.account"
    )
    assert (accounts, consumed) == (CUSTOMERS, debited)
    assert bench.query(database, "select count(*) from drawdown.receipt where event_class = 0") == (EVENTS,)
    assert bench.query(database, "select count(*) from drawdown.credit_grant") == (CUSTOMERS,)
    verified = bench.verify(database)
    assert verified.returncode == 0, verified.stdout
    assert len(bench.messages(f"{prefix}ledger")) == EVENTS


def test_load_is_what_it_says(bench):
    database, _ = find(bench, "throughput")
    keys, uuids, shortest, longest, resources = bench.query(
        database,
        "select count(distinct idempotency_key), count(*) filter (where idempotency_key ~"
        " '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'), min(length(customer_id)),"
        " max(length(customer_id)), count(*) filter (where resource_id <> '')"
        " from drawdown.ledger_entry where event_type = 2",
    )
    assert (keys, uuids, resources) == (EVENTS, EVENTS, 0)
    assert 12 <= shortest <= longest <= 20
    # Zipf's law with 0.99 over 1,000: the busiest of them has 1 of 7.49.
    (busiest,) = bench.query(
        database,
        "select max(n) from (select count(*) n from drawdown.ledger_entry where event_type = 2 group by customer_id) c",
    )
    assert 0.11 < busiest / EVENTS < 0.16


def test_floor_writes_and_publishes_as_much_without_the_books(bench):
    worker, floor = find(bench, "throughput"), find(bench, "floor")
    assert bench.query(floor[0], "select count(*) from drawdown.ledger_entry") == (EVENTS,)
    for table in ("account", "receipt", "credit_grant"):
        assert bench.query(floor[0], f"select count(*) from drawdown.{table}") == (0,)
    assert bench.query(
        floor[0], "select count(*) from pg_index where indrelid = 'drawdown.ledger_entry'::regclass"
    ) == (0,)
    by_worker, by_floor = bench.messages(f"{worker[1]}ledger"), bench.messages(f"{floor[1]}ledger")
    assert len(by_floor) == EVENTS
    sizes = [sum(map(len, messages)) for messages in (by_worker, by_floor)]
    assert abs(sizes[0] - sizes[1]) < 0.03 * sizes[0]
    assert {message[:10] for message in by_worker} == {message[:10] for message in by_floor}


def test_floor_refuses_books(bench):
    database, _ = find(bench, "throughput")
    refused = bench.run("--floor-worker", "--set", f"database.url={bench.url(database)}", "--set", "admin.port=0")
    assert refused.returncode == 2
    assert "this database may hold somebody's books" in refused.stderr


def test_report_names_what_it_was_asked_for(bench):
    result = bench.result
    run = run_of(bench, "throughput")
    assert result["throughput_per_s"] == pytest.approx(run["events"] / run["seconds"], rel=0.01)
    assert result["floor_per_s"] > 0 and result["bare_transaction_ms"] > 0
    assert result["rss_max_bytes"] > 1_000_000 and result["cpu_us_per_event"] > 0
    assert result["baseline_per_event_per_s"] is None and result["baseline_batched_per_s"] is None
    assert result["latency_ms"] == {}
    assert run["series"][-1][1] == EVENTS
    assert run["series"] == sorted(run["series"])
    met = {goal["goal"]: goal["met"] for goal in result["goals"]}
    assert met["throughput against the floor"] == (result["throughput_per_s"] / result["floor_per_s"] >= 0.4)
    assert met["throughput against the batched baseline"] is None
    for name in ("throughput", "stages"):
        assert ElementTree.parse(bench.pictures / f"{name}.svg").getroot().tag.endswith("svg")


def test_nothing_is_left_behind(servers, tmp_path):
    def left():
        with psycopg.connect(servers.env["ADMIN_URL"]) as connection:
            databases = {row[0] for row in connection.execute("select datname from pg_database")}
        consumer = Consumer({"bootstrap.servers": servers.bootstrap, "group.id": "test-bench"})
        return databases, set(consumer.list_topics(timeout=10).topics)

    before = left()
    Bench(servers, tmp_path, "--only", "latency", "--rate", "500", "--latency-time", "1s")
    assert left() == before
