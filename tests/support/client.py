"""An independent client of the topics: confluent-kafka and fastavro, nothing of drawdown's own code."""

import functools
import io
import json
import re
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import fastavro
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from support.servers import ROOT
from support.wait import wait_until

SINGLE_OBJECT = b"\xc3\x01"
CONFLUENT = b"\x00"  # and four bytes of an id
OUTPUTS = ("ledger-entry", "outcome", "notification", "balance")
TIMEOUT = 60  # seconds that a call may take


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
    if isinstance(schema, dict) and "items" in schema:
        return _fields_of(schema["items"], logical_type)
    names = set()
    for field in schema.get("fields", []) if isinstance(schema, dict) else []:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        if any(isinstance(branch, dict) and branch.get("logicalType") == logical_type for branch in branches):
            names.add(field["name"])
        names |= _fields_of(field["type"], logical_type)
    return names


SCHEMAS, SCHEMAS_BY_FINGERPRINT = _load_schemas()
SCHEMAS_BY_ID = {}  # of registries, as the tests come to know them
AMOUNTS = set().union(*(_fields_of(schema, "decimal") for schema in SCHEMAS_BY_FINGERPRINT.values()))
TIMES = set().union(*(_fields_of(schema, "timestamp-micros") for schema in SCHEMAS_BY_FINGERPRINT.values()))


def _typed(name, value):
    """Amounts as Decimal, times as datetime, wherever they stand."""
    if isinstance(value, dict):
        return {inner_name: _typed(inner_name, inner) for inner_name, inner in value.items()}
    if isinstance(value, list):
        return [_typed(name, item) for item in value]
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
    """A message of any topic, in any framing: amounts as Decimal, times as datetime; None for a tombstone. An event
    has the type that its record's name says."""
    if value is None:
        return None
    if value.startswith((SINGLE_OBJECT, CONFLUENT)):
        has_id = value.startswith(CONFLUENT)
        schema = SCHEMAS_BY_ID[int.from_bytes(value[1:5], "big")] if has_id else SCHEMAS_BY_FINGERPRINT[value[2:10]]
        body = io.BytesIO(value[5 if has_id else 10 :])
        decoded = fastavro.schemaless_reader(body, schema)
        assert not body.read(1), "bytes behind the record"
        kind = re.sub("(?<=[a-z])(?=[A-Z])", "-", schema["name"].removeprefix("drawdown.")).lower()
        return decoded | ({"type": kind} if "idempotencyKey" in decoded and kind not in OUTPUTS else {})
    return _typed(None, json.loads(value, parse_float=Decimal))


@dataclass
class Record:
    topic: str
    partition: int
    offset: int
    timestamp: int  # milliseconds
    key: str | None
    raw: bytes | None
    header_list: list = field(default_factory=list)

    @property
    def place(self):
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def headers(self):
        return dict(self.header_list)

    @functools.cached_property
    def value(self):
        return decode(self.raw)


class Client:
    """Produces to the inputs and reads the outputs of the installation whose topics begin with `prefix`."""

    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._producers = {}
        self._failures = []
        self._produced_count = 0
        self.delivered = {}  # by (topic, partition): the offset behind the last that is in the log
        self.delivered_count = 0
        self._lag_consumer = None
        self._watcher = None
        self._counts = {}

    def close(self):
        for consumer in (self._lag_consumer, self._watcher):
            if consumer is not None:
                consumer.close()
        self._producers.clear()

    def produce(
        self,
        topic,
        event,
        *,
        format="json",
        partitioner="murmur2_random",
        key=None,
        headers=None,
        partition=-1,
        timestamp=0,
    ):
        """`event`: a dict, or bytes that go as they are. `partitioner`: "consistent_random" is librdkafka's default.
        The key is the customer's unless given. `timestamp`: milliseconds, for topics that take the producer's.
        Delivery is certain only after flush()."""
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
        options |= {"partition": partition} if partition >= 0 else {}
        options |= {"timestamp": timestamp} if timestamp else {}
        while True:
            try:
                producer.produce(self.prefix + topic, **options)
                self._produced_count += 1
                producer.poll(0)
                return
            except BufferError:
                producer.poll(0.1)

    def _delivered(self, error, message):
        if error is not None:
            self._failures.append(error)
            return
        at = message.topic().removeprefix(self.prefix), message.partition()
        self.delivered[at] = max(message.offset() + 1, self.delivered.get(at, 0))
        self.delivered_count += 1

    def in_flight(self):
        """How many were produced and are not known to be in the log."""
        for producer in self._producers.values():
            producer.poll(0)
        return self._produced_count - self.delivered_count - len(self._failures)

    def flush(self):
        """All that was produced is in the log, or an error."""
        for producer in self._producers.values():
            assert producer.flush(TIMEOUT) == 0, f"records could not be delivered within {TIMEOUT} s"
        assert not self._failures, self._failures

    def consumer(self, isolation="read_committed", group="reader"):
        """To be assigned by hand; it commits nothing."""
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
        if self._watcher is None:
            self._watcher = self.consumer("read_uncommitted")
        return {
            at.partition: self._watcher.get_watermark_offsets(at, timeout=TIMEOUT)[1]
            for at in self.partitions(self._watcher, topic)
        }

    def partitions(self, consumer, topic):
        """From the beginning, to be assigned."""
        name = self.prefix + topic
        if topic not in self._counts:
            metadata = consumer.list_topics(name, timeout=TIMEOUT).topics[name]
            if metadata.error is not None:
                raise KafkaException(metadata.error)
            self._counts[topic] = len(metadata.partitions)
        return [TopicPartition(name, partition, OFFSET_BEGINNING) for partition in range(self._counts[topic])]

    def read(self, topic, *, isolation="read_committed", waits=True):
        """Every record from the beginning to what is the end of the log now, transactions that are open included:
        a reader waits for them to end, or (`waits` false) is content with what is before them."""
        ends = self.ends(topic)
        consumer = self.consumer(isolation)
        records = []
        try:
            consumer.list_topics(self.prefix + topic, timeout=TIMEOUT)  # or it finds the leaders half a second later
            consumer.assign(self.partitions(consumer, topic))

            def at_end():
                for message in consumer.consume(10000, timeout=0.05):
                    if message.error() is None:
                        records.append(to_record(message))
                    elif message.error().code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(message.error())
                    elif not waits or message.offset() >= ends.get(message.partition(), 0):
                        ends.pop(message.partition(), None)
                return not ends

            wait_until(at_end, f"the end of {topic}")
        finally:
            consumer.close()
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def committed(self, group, topics=("usage", "commands")):
        """The group's offsets by (topic, partition); -1001 where there is none."""
        consumer = self.consumer(group=group)

        try:
            return _ask_again(lambda: self.ask_committed(consumer, topics), "the group's offsets")
        finally:
            consumer.close()

    def offsets_history(self, group, since=None):
        """All that the group has committed since those ends of the broker's own log of offsets (offsets_log_ends(); or
        ever), in order, by (topic, partition), as far as it was not compacted, without what was aborted."""
        name = "__consumer_offsets"
        consumer = self.consumer()
        history = defaultdict(list)
        try:
            partitions = consumer.list_topics(name, timeout=TIMEOUT).topics[name].partitions
            since = since or dict.fromkeys(partitions, OFFSET_BEGINNING)
            consumer.assign([TopicPartition(name, partition, offset) for partition, offset in since.items()])
            left = set(partitions)

            def at_end():
                for message in consumer.consume(10000, timeout=0.05):
                    if message.error() is None:
                        _note_offset(history, group, message)
                    elif message.error().code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(message.error())
                    else:
                        left.discard(message.partition())
                return not left

            wait_until(at_end, "the end of the group's offsets")
        finally:
            consumer.close()
        return history

    def offsets_log_ends(self):
        """By partition."""
        name = "__consumer_offsets"
        consumer = self.consumer("read_uncommitted")

        def answer():
            partitions = consumer.list_topics(name, timeout=TIMEOUT).topics[name].partitions
            return {at: consumer.get_watermark_offsets(TopicPartition(name, at), timeout=TIMEOUT)[1] for at in partitions}

        try:
            return _ask_again(answer, "the ends of the log of offsets")
        finally:
            consumer.close()

    def ask_committed(self, consumer, topics):
        """As committed(), by a consumer of that group; an error that may pass is raised too."""
        committed = {}
        for topic in topics:
            for at in consumer.committed(self.partitions(consumer, topic), timeout=TIMEOUT):
                if at.error is not None:
                    raise KafkaException(at.error)
                committed[topic, at.partition] = at.offset
        return committed

    def lag(self, group, topics=("usage", "commands")):
        """What the group has not committed yet: the sum over the topics' partitions of end less committed offset."""
        if self._lag_consumer is None:
            self._lag_consumer = self.consumer(group=group)
        committed = self.ask_committed(self._lag_consumer, topics)
        ends = {
            (topic, at.partition): self._lag_consumer.get_watermark_offsets(at, timeout=TIMEOUT)[1]
            for topic in topics
            for at in self.partitions(self._lag_consumer, topic)
        }
        return sum(ends[at] - max(0, committed[at]) for at in ends)

    @contextmanager
    def transaction(self, name="producer", abort=False):
        """produce(topic, event) in one transaction of Kafka, which is committed or aborted at the end."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "partitioner": "murmur2_random",
                "transactional.id": f"{self.prefix}{name}",
            }
        )
        producer.init_transactions(TIMEOUT)
        producer.begin_transaction()
        yield lambda topic, event, **how: producer.produce(
            self.prefix + topic, key=event["customerId"], value=encode_json(event), **how
        )
        assert producer.flush(TIMEOUT) == 0
        if abort:
            producer.abort_transaction(TIMEOUT)
        else:
            producer.commit_transaction(TIMEOUT)

    @functools.cached_property
    def admin(self):
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def set_topic(self, topic, **settings):
        """Settings of a topic, '_' for '.': set_topic("usage", cleanup_policy="compact")."""
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, self.prefix + topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(TIMEOUT)

    def topic_settings(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, self.prefix + topic)
        entries = self.admin.describe_configs([resource])[resource].result(TIMEOUT)
        return {name: entry.value for name, entry in entries.items()}

    def delete_topic(self, topic):
        """And wait until it is gone."""
        self._counts.pop(topic, None)
        self.admin.delete_topics([self.prefix + topic])[self.prefix + topic].result(TIMEOUT)
        wait_until(lambda: self.prefix + topic not in self.topics(), f"{topic} to be gone")

    def delete_topics(self):
        """All of its own."""
        names = [name for name in self.topics() if name.startswith(self.prefix)]
        for future in self.admin.delete_topics(names).values() if names else ():
            future.result(TIMEOUT)

    def delete_records(self, offsets):
        """What retention does: nothing before these offsets, {(topic, partition): offset}, is left."""
        before = [TopicPartition(self.prefix + topic, partition, offset) for (topic, partition), offset in offsets.items()]
        for future in self.admin.delete_records(before).values():
            future.result(TIMEOUT)

    def set_offsets(self, group, offsets):
        """By hand, which the broker allows only while the group has no member."""
        wait_until(lambda: self.members(group) == set(), "the group to be empty")
        at = [TopicPartition(self.prefix + topic, partition, offset) for (topic, partition), offset in offsets.items()]
        request = ConsumerGroupTopicPartitions(group, at)
        result = self.admin.alter_consumer_group_offsets([request])[group].result(TIMEOUT)
        assert all(partition.error is None for partition in result.topic_partitions), result.topic_partitions

    def topics(self):
        """Partitions of every topic of the cluster, by name."""
        return {name: len(topic.partitions) for name, topic in self.admin.list_topics(timeout=TIMEOUT).topics.items()}

    def members(self, group):
        """Instance ids of the group's members."""
        description = self.admin.describe_consumer_groups([group])[group].result(TIMEOUT)
        return {member.group_instance_id for member in description.members}


def is_passing(error):
    """Will asking again help: time-out, broker, leader or coordinator away, an open transaction holds the offsets?"""
    codes = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._WAIT_COORD)
    codes += (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    codes += (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNSTABLE_OFFSET_COMMIT)
    return error.args[0].retriable() or error.args[0].code() in codes


def _ask_again(question, what):
    """Until it is answered, where asking again helps. The answer may be empty."""

    def answer():
        try:
            return [question()]
        except KafkaException as error:
            if is_passing(error):
                return None
            raise

    return wait_until(answer, what)[0]


def _note_offset(history, group, message):
    """Of a record in the broker's log of offsets. Key: version (0 or 1: an offset), group, topic, partition; value:
    version, offset, and more."""
    key, value = io.BytesIO(message.key()), message.value()

    def text():
        return key.read(int.from_bytes(key.read(2))).decode()

    if int.from_bytes(key.read(2)) <= 1 and text() == group and value is not None:
        history[text(), int.from_bytes(key.read(4))].append(int.from_bytes(value[2:10], signed=True))


def to_record(message):
    key = message.key()
    return Record(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        timestamp=message.timestamp()[1],
        key=None if key is None else key.decode(),
        raw=message.value(),
        header_list=message.headers() or [],
    )
