"""An independent client of the topics: confluent-kafka and fastavro, nothing of drawdown's own code."""

import io
import json
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from support.servers import ROOT
from support.wait import wait_until

SINGLE_OBJECT = b"\xc3\x01"


def _load_schemas():
    """By the record's name, and by the fingerprint that a single-object framing bears."""
    names, fingerprints = {}, {}
    for path in sorted((ROOT / "proto").glob("*.avsc")):
        raw = json.loads(path.read_text())
        canonical = fastavro.schema.to_parsing_canonical_form(raw)
        fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
        fingerprints[fingerprint] = fastavro.parse_schema(raw)
        names[raw["name"]] = (fingerprint, fingerprints[fingerprint])
    return names, fingerprints


def _fields_of(schema, logical_type):
    """Names of the fields of that logical type, however deep."""
    if isinstance(schema, list):
        return set().union(*(_fields_of(branch, logical_type) for branch in schema))
    names = set()
    for field in schema.get("fields", []) if isinstance(schema, dict) else []:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        if any(isinstance(branch, dict) and branch.get("logicalType") == logical_type for branch in branches):
            names.add(field["name"])
        names |= _fields_of(field["type"], logical_type)
    return names


SCHEMAS, SCHEMAS_BY_FINGERPRINT = _load_schemas()
AMOUNTS = set().union(*(_fields_of(schema, "decimal") for schema in SCHEMAS_BY_FINGERPRINT.values()))
TIMES = set().union(*(_fields_of(schema, "timestamp-micros") for schema in SCHEMAS_BY_FINGERPRINT.values()))


def _typed(name, value):
    """Amounts as Decimal, times as datetime, wherever they stand."""
    if isinstance(value, dict):
        return {inner_name: _typed(inner_name, inner) for inner_name, inner in value.items()}
    if name in AMOUNTS and isinstance(value, (str, int)):
        return Decimal(value)
    if name in TIMES and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def encode_json(event):
    """Decimals as numbers with all their digits."""
    marked = json.dumps(event, default=lambda value: f"\0{value:f}\0" if isinstance(value, Decimal) else value.isoformat())
    return marked.replace('"\\u0000', "").replace('\\u0000"', "").encode()


def encode_avro(event):
    """Single-object framing; the kind says the record: confirm-payment is ConfirmPayment."""
    name = event.get("type", "consume").title().replace("-", "")
    fingerprint, schema = SCHEMAS[name]
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, _typed(None, {key: event[key] for key in event if key != "type"}))
    return SINGLE_OBJECT + fingerprint + body.getvalue()


ENCODERS = {"json": encode_json, "avro": encode_avro}


def decode(value):
    """A message of any output topic, in either format: amounts as Decimal, times as datetime; None for a tombstone."""
    if value is None:
        return None
    if value.startswith(SINGLE_OBJECT):
        return fastavro.schemaless_reader(io.BytesIO(value[10:]), SCHEMAS_BY_FINGERPRINT[value[2:10]])
    return _typed(None, json.loads(value, parse_float=Decimal))


@dataclass
class Record:
    topic: str
    partition: int
    offset: int
    timestamp: int  # milliseconds
    key: str | None
    raw: bytes | None
    headers: dict = field(default_factory=dict)

    @property
    def value(self):
        return decode(self.raw)


class Client:
    """Produces to the inputs and reads the outputs of the installation whose topics begin with `prefix`."""

    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._producers = {}
        self._failures = []

    def produce(self, topic, event, *, format="json", partitioner="murmur2_random", key=None, headers=None, partition=-1):
        """`event`: a dict, or bytes that go as they are. `partitioner`: "consistent_random" is librdkafka's default.
        The key is the customer's unless given. Delivery is certain only after flush()."""
        if isinstance(event, dict):
            key = event["customerId"] if key is None else key
            event = ENCODERS[format](event)
        producer = self._producers.get(partitioner)
        if producer is None:
            producer = self._producers[partitioner] = Producer(
                {
                    "bootstrap.servers": self.bootstrap,
                    "partitioner": partitioner,
                    "enable.idempotence": True,
                    "linger.ms": 5,
                }
            )
        options = {"key": key, "value": event, "headers": headers, "on_delivery": self._delivered}
        if partition >= 0:
            options["partition"] = partition
        while True:
            try:
                producer.produce(self.prefix + topic, **options)
                producer.poll(0)
                return
            except BufferError:
                producer.poll(0.1)

    def _delivered(self, error, _message):
        if error is not None:
            self._failures.append(error)

    def flush(self):
        """All that was produced is in the log, or an error."""
        for producer in self._producers.values():
            assert producer.flush(30) == 0, "records could not be delivered within 30 s"
        assert not self._failures, self._failures

    def _consumer(self, isolation="read_committed", group="reader"):
        """Assigned by hand, commits nothing."""
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": isolation,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 20,
            }
        )

    def ends(self, topic):
        """High watermark by partition, open transactions included (a read-committed consumer is told less)."""
        consumer = self._consumer("read_uncommitted")
        try:
            partitions = self._partitions(consumer, topic)
            return {p.partition: consumer.get_watermark_offsets(p, timeout=10)[1] for p in partitions}
        finally:
            consumer.close()

    def _partitions(self, consumer, topic):
        topic = self.prefix + topic
        metadata = consumer.list_topics(topic, timeout=10).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        return [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in sorted(metadata.partitions)]

    def read(self, topic, *, isolation="read_committed", seconds=30.0):
        """Every record from the beginning to what is the end of the log now, transactions that are open included:
        a reader waits for them to end."""
        ends = self.ends(topic)
        consumer = self._consumer(isolation)
        records = []
        try:
            consumer.assign(self._partitions(consumer, topic))

            def at_end():
                for message in consumer.consume(10000, timeout=0.05):
                    if message.error() is None:
                        records.append(_record(message))
                    elif message.error().code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(message.error())
                    elif message.offset() >= ends.get(message.partition(), 0):
                        ends.pop(message.partition(), None)
                return not ends

            wait_until(at_end, f"the end of {topic}", seconds)
        finally:
            consumer.close()
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def lag(self, group, topics=("usage", "commands")):
        """What the group has not committed yet: the sum over the topics' partitions of end less committed offset."""
        consumer = self._consumer(group=group)
        try:
            lag = 0
            for topic in topics:
                ends = self.ends(topic)
                for committed in consumer.committed(self._partitions(consumer, topic), timeout=10):
                    lag += ends[committed.partition] - max(0, committed.offset)
            return lag
        finally:
            consumer.close()


def _record(message):
    key = message.key()
    return Record(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        timestamp=message.timestamp()[1],
        key=None if key is None else key.decode(),
        raw=message.value(),
        headers=dict(message.headers() or []),
    )
