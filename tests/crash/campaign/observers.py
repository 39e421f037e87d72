"""They watch the whole time, and tell at once what must not be: offsets that go back, entries that come twice, a gap."""

import bisect
import threading
import time
from collections import defaultdict

from confluent_kafka import KafkaError, KafkaException

from support.client import to_record

PAUSE = 0.05  # seconds between two looks
TIMEOUT = 2.0


class Observer:
    """Looks again and again, from a thread of its own; a server that does not answer is asked again."""

    def __init__(self, violate):
        self.violate = violate
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self):
        consumer = self.open()
        try:
            while not self._is_over.is_set():
                try:
                    self.look(consumer)
                except KafkaException:
                    self._is_over.wait(PAUSE)
        except Exception as error:  # or nobody would watch, and nobody know it
            self.violate(f"{type(self).__name__}: {error!r}")
        finally:
            consumer.close()


class OffsetsWatcher(Observer):
    """The group's committed offsets, with the time at which each commit was seen."""

    def __init__(self, installation, violate):
        super().__init__(violate)
        self.client = installation.client
        self.group = installation.group
        self.committed = {}
        self.moves = []  # (time, number of records), one for each look that saw something new
        self._moved_at = defaultdict(list)  # by (topic, partition)

    def open(self):
        # Not the stable offsets: an open transaction would hold the answer back, and what is pending is not shown anyway.
        consumer = self.client.consumer("read_uncommitted", self.group)
        self._at = [at for topic in ("usage", "commands") for at in self.client.partitions(consumer, topic)]
        return consumer

    def look(self, consumer):
        answers = consumer.committed(self._at, timeout=TIMEOUT)
        now, count = time.monotonic(), 0
        for at in answers:
            if at.error is not None:
                raise KafkaException(at.error)
            key, offset = (at.topic.removeprefix(self.client.prefix), at.partition), max(0, at.offset)
            before = self.committed.get(key, 0)
            if offset < before:
                self.violate(f"the offset of {key} went back from {before} to {offset}")
            if offset > before:
                self._moved_at[key].append(now)
                count += offset - before
            self.committed[key] = offset
        if count:
            self.moves.append((now, count))
        self._is_over.wait(PAUSE)

    def first_move(self, key, after):
        """When that (topic, partition) was first seen to move after that time."""
        moved = self._moved_at[key]
        at = bisect.bisect(moved, after)
        return moved[at] if at < len(moved) else None

    def have_reached(self, ends):
        return all(self.committed.get(key, 0) >= end for key, end in ends.items())


class LedgerReader(Observer):
    """A read-committed reader of the ledger: each account's entries come in order, each once, without a gap."""

    def __init__(self, installation, violate):
        super().__init__(violate)
        self.client = installation.client
        self.seqs = defaultdict(int)
        self.count = 0

    def open(self):
        consumer = self.client.consumer()
        consumer.assign(self.client.partitions(consumer, "ledger"))
        return consumer

    def look(self, consumer):
        for message in consumer.consume(1000, timeout=0.1):
            if message.error() is None:
                self._note(to_record(message))
            elif message.error().code() != KafkaError._PARTITION_EOF and not message.error().retriable():
                raise KafkaException(message.error())

    def _note(self, record):
        value = record.value
        account = value["customerId"], value["currencyId"], value["resourceId"]
        if value["seq"] != self.seqs[account] + 1:
            self.violate(
                f"{record.topic} [{record.partition}] offset {record.offset}: entry {value['seq']} of {account} follows "
                f"entry {self.seqs[account]}"
            )
        self.seqs[account] = value["seq"]
        self.count += 1
