"""Three brokers of Kafka that are one cluster, each a controller too, and one PostgreSQL."""

import base64
import os
import signal
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka.admin import AdminClient

from support.servers import ManagedServers, Servers, kafka_answers
from support.wait import wait_until
from support.worker import free_port

IDS = (1, 2, 3)
TIMEOUT = 60  # seconds
SETTINGS = """
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
replica.lag.time.max.ms=2000
"""


class Broker(ManagedServers):
    """One of them: a server "kafka" of its own."""

    def __init__(self, directory, **settings):
        super().__init__(directory, "--kafka", **settings)
        self.bootstrap = self.env["KAFKA_BOOTSTRAP"]

    def _answers(self, server):
        return kafka_answers(self.bootstrap)


class Cluster(Servers):
    """`brokers`: by id. Every topic has a replica on each, and takes what two of them have."""

    replication = 3

    def __init__(self, directory, **settings):
        super().__init__(directory, "--postgres", **settings)
        ports = {number: free_port() for number in IDS}
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in ports.items())
        cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "A").replace("_", "a")
        common = f"{SETTINGS}controller.quorum.voters={voters}\n{settings.get('KAFKA_SETTINGS', '')}"

        def start(number):
            own = {"KAFKA_SETTINGS": f"node.id={number}\n{common}", "KAFKA_CONTROLLER_PORT": str(ports[number])}
            return Broker(self.directory / f"broker-{number}", **own, KAFKA_CLUSTER_ID=cluster_id)

        with ThreadPoolExecutor(len(IDS)) as pool:  # none comes up without another
            self.brokers = dict(zip(IDS, pool.map(start, IDS)))
        self.bootstrap = ",".join(broker.bootstrap for broker in self.brokers.values())
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def stop(self):
        for broker in self.brokers.values():
            if broker.is_running("kafka"):
                broker.end("kafka", signal.SIGKILL)
            broker.stop()
        super().stop()

    def leader(self, topic, partition):
        """The id of the broker that leads it now."""
        leaders = lambda: self._partitions(topic)[partition].leader  # noqa: E731
        return wait_until(lambda: max(leaders(), 0), f"a leader of {topic} [{partition}]", TIMEOUT)

    def group_coordinator(self, group):
        return self._coordinator("__consumer_offsets", group)

    def transaction_coordinator(self, transactional_id):
        return self._coordinator("__transaction_state", transactional_id)

    def _coordinator(self, topic, name):
        return self.leader(topic, abs(_java_hash(name)) % len(self._partitions(topic)))

    def _partitions(self, topic):
        return self._admin.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions

    def wait_until_whole(self):
        """Every replica of every partition is in step."""

        def is_whole():
            topics = self._admin.list_topics(timeout=TIMEOUT).topics.values()
            return all(len(at.isrs) == len(at.replicas) for topic in topics for at in topic.partitions.values())

        wait_until(is_whole, "all replicas to be in step", TIMEOUT, pause=0.1)


def _java_hash(text):
    """String.hashCode(), by which Kafka finds coordinators."""
    value = 0
    for letter in text:
        value = (31 * value + ord(letter)) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value
