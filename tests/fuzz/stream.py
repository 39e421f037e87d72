"""Mutated and random records through a worker, every one accounted for: ledger + outcomes + dead letters = inputs.

`run` is for the integration tests; the run on record: DRAWDOWN_MUTATED_RECORDS=10000000 (tests/fuzz/README.md).
"""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException, Producer

from support.client import ENCODERS, OFFSET_BEGINNING, TIMEOUT
from support.events import CURRENCY, command, consume, extend, grant, release, reserve, reverse, settle, void

MIB = 1 << 20
CUSTOMERS = 1000
PORTION_MAX = 250_000  # records, after which the worker has to have caught up
BAD_VARINTS = (b"\x01", b"\xff" * 9 + b"\x01", b"\x80" * 9 + b"\x01", b"\x80\xa8\xd6\xb9\x07", b"\xff" * 11 + b"\x01", b"\x7e")
BAD_WORDS = (b"NaN", b"1e400", b"\\u0000", b"\\udc00", b"[[[[", b"}", b'"', b"\xff", b"\0", b"9" * 400, b'"amount":1,')


@dataclass
class Report:
    seed: int
    grants: int = 0
    inputs: int = 0
    ledger: int = 0
    outcomes: int = 0
    dead_letters: int = 0
    reasons: Counter = field(default_factory=Counter)
    rss: list = field(default_factory=list)  # resident bytes after each portion
    growth: int = 0  # of the second half over the first, the largest of each


def events(chance, number):
    """A valid event of any kind, about few customers and ids, so that many meet."""
    customer, key = f"c{chance.randrange(CUSTOMERS)}", f"k{chance.randrange(10 * number + 1000)}"
    grant_id = f"g{chance.randrange(5)}"  # few: an account's open grants are in memory while it is at work
    amount, other = f"{chance.randrange(1, 10**6)}e-{chance.randrange(4)}", f"k{chance.randrange(1000)}"
    kind = chance.randrange(16)
    if kind < 7:
        return consume(customer, amount, key, dimensions={"model": "large", "n": chance.randrange(100)})
    made = (
        lambda: grant(customer, amount, key, grantId=grant_id),
        lambda: void(customer, grant_id, key),
        lambda: reverse(customer, other, None, key),
        lambda: reserve(customer, amount, other, key, ttlSeconds=60),
        lambda: settle(customer, amount, other, key),
        lambda: extend(customer, other, key, ttlSeconds=600),
        lambda: release(customer, other, key),
        lambda: command(customer, "configure", key, overLimit=chance.choice(("allow", "cap", "reject"))),
        lambda: command(customer, "confirm-payment", key, grantId=grant_id),
    )
    return made[kind - 7]()


def mutate(chance, value):
    """One to three changes."""
    changed = bytearray(value)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(changed):
            changed[at] = chance.randrange(256)
        elif kind == 1 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            changed[at : at + chance.randrange(4)] = chance.choice(BAD_VARINTS)
        elif kind == 3:
            changed[at : at + chance.randrange(4)] = chance.choice(BAD_WORDS)
        elif kind == 4:
            del changed[at:]
        else:
            del changed[at : at + chance.randrange(1, 9)]
    return bytes(changed)


class Maker:
    """Records, from one seed. Valid ones are encoded once and used again in many shapes: encoding is slow."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.pool = [ENCODERS[format](events(self.chance, n)) for n in range(2000) for format in ("json", "avro")]
        self.count = 0

    def make(self):
        chance = self.chance
        self.count += 1
        kind = chance.randrange(32)
        if kind == 0:
            return chance.randbytes(chance.randrange(200))
        if kind == 1:
            return None
        value = chance.choice(self.pool)
        if kind < 12:
            return value
        if kind < 18 and value[0] == 0x7B:  # another key: a new event
            return value.replace(b'"idempotencyKey":"', b'"idempotencyKey":"%d-' % self.count, 1).replace(
                b'"idempotencyKey": "', b'"idempotencyKey": "%d-' % self.count, 1
            )
        return mutate(chance, value)


def rss_of(worker):
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


class Ticks:
    """Each input position once: a byte for every offset of every partition."""

    def __init__(self, ends):
        self.seen = {at: bytearray(end) for at, end in ends.items()}

    def tick(self, topic, partition, offset):
        place = self.seen[topic, partition]
        assert not place[offset], f"{topic} [{partition}] offset {offset} is answered twice"
        place[offset] = 1

    def missing(self):
        return [(at, place.index(0)) for at, place in self.seen.items() if 0 in place]


def read(client, topic):
    """Every message, read committed, one after the other: too many for a list."""
    ends = {partition: end for partition, end in client.ends(topic).items() if end > 0}
    consumer = client.consumer()
    try:
        consumer.list_topics(client.prefix + topic, timeout=TIMEOUT)
        consumer.assign([at for at in client.partitions(consumer, topic) if at.offset == OFFSET_BEGINNING])
        while ends:
            for message in consumer.consume(10_000, timeout=1):
                if message.error() is None:
                    yield message
                elif message.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(message.error())
                elif message.offset() >= ends.get(message.partition(), 0):
                    ends.pop(message.partition(), None)
    finally:
        consumer.close()


def account(installation, report):
    """Each input is in the ledger, the outcomes or the dead letters, and in one of them only; the tables say the same."""
    prefix, client = installation.prefix, installation.client
    ends = {(prefix + topic, at): end for topic in ("usage", "commands") for at, end in client.ends(topic).items()}
    report.inputs = sum(ends.values())
    ticks = Ticks(ends)
    of_ledger = set()
    for message in read(client, "ledger"):
        entry = json.loads(message.value())
        if entry["idempotencyKey"] is not None:
            source = entry["source"]
            of_ledger.add((source["topic"], source["partition"], source["offset"]))
    for position in of_ledger:
        ticks.tick(*position)
    report.ledger = len(of_ledger)
    for message in read(client, "outcomes"):
        source = json.loads(message.value())["source"]
        ticks.tick(source["topic"], source["partition"], source["offset"])
        report.outcomes += 1
    for message in read(client, "dead-letters"):
        headers = dict(message.headers())
        at = int(headers["drawdown.partition"]), int(headers["drawdown.offset"])
        ticks.tick(headers["drawdown.topic"].decode(), *at)
        report.reasons[headers["drawdown.reason"].decode()] += 1
        report.dead_letters += 1
    assert not ticks.missing(), ticks.missing()
    rows = installation.books.query(
        "select count(distinct (source_topic, source_partition, source_offset)) as count"
        " from drawdown.ledger_entry where idempotency_key is not null"
    )
    assert rows[0]["count"] == report.ledger


def produce(producer, topic, value, key):
    while True:
        try:
            producer.produce(topic, value, key)
            return
        except BufferError:
            producer.poll(0.1)


def run(installation, records, seed):
    """Produces that many records in portions, waits for the worker after each, and accounts for all of them."""
    report = Report(seed)
    maker = Maker(seed)
    worker = installation.worker().start()
    for number in range(CUSTOMERS):
        installation.client.produce("commands", grant(f"c{number}", 1000))
        report.grants += 1
    options = {"partitioner": "murmur2_random", "compression.type": "lz4", "linger.ms": 20, "acks": 1}
    producer = Producer({"bootstrap.servers": installation.client.bootstrap} | options)
    half, done = records // 2, 0
    while done < records:
        portion = half - done if done < half else max(records // 8, 1)  # the largest first: it warms up
        for _ in range(min(PORTION_MAX, portion, records - done)):
            topic = "usage" if maker.chance.randrange(4) == 0 else "commands"
            produce(producer, installation.prefix + topic, maker.make(), str(maker.chance.randrange(CUSTOMERS)))
            done += 1
            if done % 1000 == 0:
                producer.poll(0)
        assert producer.flush(TIMEOUT) == 0
        installation.wait_for_lag_zero(seconds=600)
        report.rss.append(rss_of(worker))
        print(f"{done} records, worker {report.rss[-1] / MIB:.1f} MiB", flush=True)
        if done <= half:
            warm = max(report.rss)
    report.growth = max(report.rss) - warm
    account(installation, report)
    return report
