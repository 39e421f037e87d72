"""The benchmark's contenders do what they are measured for: each event once in the balances, once in the ledger topic.

Method: usage with repetitions, near and far; each contender is killed where it hurts, with entries committed in
PostgreSQL that the broker, which is frozen meanwhile, has not taken. Those who start again handle the rest. Sums and
entries are worked out here, from the input alone.
"""

import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import psycopg
import pytest
from confluent_kafka.admin import NewTopic
from support.client import Client
from support.events import consume
from support.servers import ROOT
from support.wait import wait_until

CUSTOMERS = 30
EVENTS = 250  # of each half
CREDITS = 1_000_000

CONTENDERS = {
    "per_event": ([os.environ.get("BENCH_PER_EVENT", ROOT / "build/release/bench_per_event")], 1),
    "batched": ([sys.executable, ROOT / "tests/bench/batched.py"], 2),
}


class Bench:
    """What the benchmark's driver gives a contender, and the contender's processes."""

    def __init__(self, servers, name):
        self.command, self.processes_count = CONTENDERS[name]
        self.database_url, _ = servers.database()
        self.client = Client(servers.bootstrap, f"bench-{name}.")
        topics = [NewTopic(self.client.prefix + topic, 8, 1) for topic in ("usage", "ledger")]
        for future in self.client.admin.create_topics(topics).values():
            future.result(10)
        self.processes = []
        self.environment = os.environ | {
            "BENCH_BOOTSTRAP": servers.bootstrap,
            "BENCH_DATABASE_URL": self.database_url,
            "BENCH_INPUT": self.client.prefix + "usage",
            "BENCH_OUTPUT": self.client.prefix + "ledger",
            "BENCH_GROUP": name,
            "BENCH_CUSTOMERS": f"{CUSTOMERS}",
            "BENCH_CUSTOMER_FORMAT": "customer-%07lld",
        }

    def start(self, number, *arguments):
        environment = self.environment | {"BENCH_TRANSACTIONAL_ID": f"{self.client.prefix}{number}"}
        self.processes.append(
            subprocess.Popen([*self.command, *arguments], env=environment, stdin=subprocess.DEVNULL)
        )
        return self.processes[-1]

    def query(self, sql):
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql).fetchall()

    def entries_count(self):
        return self.query("select count(*) from ledger")[0][0]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.client.delete_topics()
        self.client.close()


@pytest.fixture
def bench(servers, request):
    made = Bench(servers, request.param)
    yield made
    made.close()


def make_usage(chance, known, count):
    """Every fourth repeats one of `known`, which grows; the same keys are used by all customers."""
    for _ in range(count):
        event = consume(
            f"customer-{chance.randint(1, CUSTOMERS):07d}",
            Decimal(chance.randrange(1, 10**9)).scaleb(-chance.choice([0, 2, 6, 12])),
            f"k\"\\{chance.randrange(10**4)}é",
        )
        known.append(chance.choice(known) if known and chance.random() < 0.25 else event)
        yield known[-1]


def produce(bench, events):
    for event in events:
        bench.client.produce("usage", event, format="avro")
    bench.client.flush()


def kill_between_the_two_commits(servers, bench):
    with psycopg.connect(bench.database_url) as holder:
        holder.execute("select from account for update")
        process = bench.start(0)
        waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        wait_until(lambda: bench.query(waiting), "the contender to wait for an account")
        with servers.frozen("kafka"):
            holder.rollback()
            wait_until(lambda: bench.entries_count() >= 10, "entries in the database")
            process.kill()
            process.wait()
    assert bench.client.read("ledger", waits=False) == [], "it was killed too late"
    return bench.entries_count()


@pytest.mark.parametrize("bench", CONTENDERS, indirect=True)
def test_a_contender_that_is_killed_debits_and_publishes_each_event_once(servers, bench, chance):
    assert bench.start(0, "setup").wait(30) == 0
    known = []
    produce(bench, make_usage(chance, known, EVENTS))
    recorded = kill_between_the_two_commits(servers, bench)
    produce(bench, make_usage(chance, known, EVENTS))
    assert recorded < len(known)

    started = [bench.start(number) for number in range(bench.processes_count)]
    assert [process.wait(60) for process in started] == [0] * bench.processes_count

    first = {}  # in the order of a customer's partition
    for record in bench.client.read("usage"):
        first.setdefault((record.key, record.value["idempotencyKey"]), record)
    assert len(first) < len(known), "nothing came twice"
    spent = Counter()
    for (customer, _), record in first.items():
        spent[customer] += record.value["amount"]
    balances = dict(bench.query("select customer_id, balance from account"))
    assert balances == {
        f"customer-{number:07d}": CREDITS - spent[f"customer-{number:07d}"] for number in range(1, CUSTOMERS + 1)
    }

    balance, published = Counter(), Counter()
    for entry in bench.client.read("ledger"):
        source = entry.value["source"]
        record = first[entry.key, entry.value["idempotencyKey"]]
        assert (source["partition"], source["offset"]) == (record.partition, record.offset)
        assert entry.value["amount"] == -record.value["amount"]
        balance[entry.key] += entry.value["amount"]
        assert entry.value["balanceAfter"] == CREDITS + balance[entry.key], "in order, without a gap"
        published[entry.key, entry.value["idempotencyKey"]] += 1
    assert published == dict.fromkeys(first, 1)
