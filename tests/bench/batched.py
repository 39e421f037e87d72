"""What a careful team writes: batches of 5,000, one set-based call of PostgreSQL (batched.sql), one Kafka transaction.

Exactly once: a batch is committed in PostgreSQL first, where the ledger's primary key tells duplicates; then its entries
and its offsets go in one Kafka transaction. Whoever dies in between, or whose transaction is aborted, leaves records
that are read again: the call finds the entries that these very records have made, and returns them to be published.
A process that lost its partitions cannot commit them: the transaction bears the group's generation (KIP-447).
"""

import io
import json
import os
import sys
import time
from json.encoder import encode_basestring as quote
from pathlib import Path

import fastavro
import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from psycopg.adapt import Loader

HERE = Path(__file__).resolve().parent
BATCH = 5_000
IDLE_S = 0.1
PATIENCE_S = 60
CURRENCY = "ai-tokens"
CREDITS = 1_000_000  # of each customer at first
PASSING = {  # a coordinator that moves or loads, an open transaction that holds the offsets
    KafkaError._TIMED_OUT,
    KafkaError._WAIT_COORD,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
}
INPUT, OUTPUT = os.environ["BENCH_INPUT"], os.environ["BENCH_OUTPUT"]
PROCESS = os.environ["BENCH_TRANSACTIONAL_ID"]

SCHEMA = json.loads((HERE / "../../proto/Consume.avsc").read_text())
FRAME = b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(SCHEMA), "CRC-64-AVRO"))
for field in SCHEMA["fields"]:
    if field["name"] == "amount":
        field["type"] = "bytes"  # read as an integer: twice as fast as a Decimal
SCHEMA = fastavro.parse_schema(SCHEMA)


class NumericText(Loader):
    """numeric as text: it is only passed on."""

    def load(self, data):
        return bytes(data).decode()


def connect():
    connection = psycopg.connect(os.environ["BENCH_DATABASE_URL"], autocommit=True)
    connection.adapters.register_loader("numeric", NumericText)
    return connection


def setup():
    """Tables, and an account with credits for each customer."""
    pattern = os.environ["BENCH_CUSTOMER_FORMAT"].replace("ll", "")
    with connect() as connection:
        connection.execute((HERE / "batched.sql").read_text())
        with connection.cursor().copy("copy account (customer_id, balance, seq) from stdin") as copy:
            for number in range(1, int(os.environ["BENCH_CUSTOMERS"]) + 1):
                copy.write_row((pattern % number, CREDITS, 0))
        connection.execute("vacuum analyze account")


class Batched:
    def __init__(self):
        servers = {"bootstrap.servers": os.environ["BENCH_BOOTSTRAP"], "retry.backoff.ms": 20}
        self.connection = connect()
        self.producer = Producer(
            servers | {"transactional.id": PROCESS, "compression.type": "lz4", "linger.ms": 5, "partitioner": "murmur2"}
        )
        self.producer.init_transactions()
        self.consumer = Consumer(
            servers
            | {
                "group.id": os.environ["BENCH_GROUP"],
                "group.instance.id": PROCESS,  # after a kill its partitions are given back at once
                "session.timeout.ms": 10_000,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "range",
            }
        )
        self.is_revoked = False
        self.consumer.subscribe([INPUT], on_revoke=self.revoked, on_lost=self.revoked)

    def revoked(self, _consumer, _partitions):
        self.is_revoked = True

    def rewind(self):
        """What was read and not committed is forgotten, and read again."""
        self.is_revoked = False
        self.consumer.assign(self.committed(self.consumer.assignment()))

    def committed(self, partitions):
        """The group's offsets; asks again until there is an answer."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self.consumer.committed(partitions, timeout=10)
                errors = [at.error for at in answer if at.error]
            except KafkaException as failure:
                errors = [failure.args[0]]
            if not errors:
                return answer
            if any(error.code() not in PASSING for error in errors) or time.monotonic() > deadline:
                raise KafkaException(errors[0])
            time.sleep(0.02)

    def run(self):
        while True:
            messages = self.consumer.consume(BATCH, IDLE_S)
            if self.is_revoked:  # records of the old assignment may be among them
                self.rewind()
            elif messages:
                self.handle(messages)
            elif self.is_done():
                return

    def is_done(self):
        """Has the group, not only this process, committed all of the input?"""
        partitions = self.consumer.list_topics(INPUT, 10).topics[INPUT].partitions
        committed = self.committed([TopicPartition(INPUT, number) for number in partitions])
        return all(max(at.offset, 0) >= self.consumer.get_watermark_offsets(at, 10)[1] for at in committed)

    def handle(self, messages):
        membership = self.consumer.consumer_group_metadata()
        events = [decode(message) for message in messages]
        entries = self.connection.execute(
            "select * from debit(%b, %b, %b::numeric[], %b::integer[], %b)",
            (
                [event["customerId"] for event in events],
                [event["idempotencyKey"] for event in events],
                [event["amount"] for event in events],
                [message.partition() for message in messages],
                [message.offset() for message in messages],
            ),
        ).fetchall()
        try:
            self.publish(messages, events, entries, membership)
        except KafkaException as failure:
            if not failure.args[0].txn_requires_abort():
                raise
            self.producer.abort_transaction()
            self.rewind()

    def publish(self, messages, events, entries, membership):
        self.producer.begin_transaction()
        for number, seq, balance in entries:
            event, message = events[number - 1], messages[number - 1]
            customer = event["customerId"]
            amount = f"{event['amount']:013d}"
            self.producer.produce(
                OUTPUT,
                f'{{"entryId":"{customer}/{CURRENCY}//{seq}","customerId":"{customer}","currencyId":"{CURRENCY}",'
                f'"seq":{seq},"eventType":"CREDITS_CONSUMED","amount":-{amount[:-12]}.{amount[-12:]},'
                f'"balanceAfter":{balance},"idempotencyKey":{quote(event["idempotencyKey"])},"source":{{"topic":"{INPUT}",'
                f'"partition":{message.partition()},"offset":{message.offset()}}}}}',
                customer,
            )
        ends = {message.partition(): message.offset() + 1 for message in messages}
        offsets = [TopicPartition(INPUT, partition, offset) for partition, offset in ends.items()]
        self.producer.send_offsets_to_transaction(offsets, membership)
        self.producer.commit_transaction()


def decode(message):
    """The amount becomes an integer, in units of 10^-12."""
    if message.error():
        raise KafkaException(message.error())
    value = message.value()
    event = fastavro.schemaless_reader(io.BytesIO(value[10:]), SCHEMA, None) if value[:10] == FRAME else None
    if event is None or event["currencyId"] != CURRENCY or event["resourceId"] is not None:
        raise ValueError(f"{INPUT} [{message.partition()}] offset {message.offset()} is no consumption of {CURRENCY}")
    event["amount"] = int.from_bytes(event["amount"], "big", signed=True)
    return event


if sys.argv[1:] == ["setup"]:
    setup()
else:
    Batched().run()
