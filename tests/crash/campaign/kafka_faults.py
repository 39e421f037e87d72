"""What happens to Kafka: the only broker dies, is restarted, away or silent; of three brokers that one which leads a
partition or coordinates the group or a worker's transactions; a transaction lasts longer than the broker allows."""

import os
import signal
import time
from functools import partial

from crash.campaign.fault import Fault
from crash.campaign.scene import BEYOND_TIMEOUTS
from crash.campaign.worker_faults import Stopped

INPUTS = ("usage", "commands")
OUTPUTS = ("ledger", "balances", "outcomes", "notifications")
BEGUN = 0.3  # seconds in which the broker hears of a transaction
SOON = 10.0  # seconds in which a busy worker has a transaction


class OfKafka(Fault):
    needs = frozenset({"kafka"})

    def servers(self, scene):
        """Those whose "kafka" it is."""
        return scene.servers


class Ended(OfKafka):
    """Ended by a signal, and started again at once, or after some time."""

    def __init__(self, scene, how, seconds=0.0):
        self.how = how
        self.seconds = seconds

    def inject(self, scene):
        self.of = self.servers(scene)
        self.of.end("kafka", self.how)

    def heal(self, scene):
        self.of.resume("kafka")


class Silent(OfKafka):
    """Connections stay open, and nobody answers."""

    def __init__(self, scene, seconds):
        self.seconds = seconds

    def inject(self, scene):
        self.pid = self.servers(scene).pid("kafka")
        os.kill(self.pid, signal.SIGSTOP)

    def heal(self, scene):
        os.kill(self.pid, signal.SIGCONT)


class OneOfThree:
    """That which has a part at the moment; the others go on. Before the next fault it is in step again."""

    def __init__(self, scene, part, *arguments):
        super().__init__(scene, *arguments)
        self.part = part
        self.topic = f"{scene.installation.prefix}{scene.chance.choice(INPUTS if part == 'input' else OUTPUTS)}"
        self.partition = scene.chance.randrange(int(scene.installation.options["topics.partitions"]))
        self.replica = scene.pick()
        self.number = None

    def servers(self, scene):
        self.number = self._find(scene.servers, scene.installation.group)
        scene.note(f"... broker {self.number}")
        return scene.servers.brokers[self.number]

    def _find(self, cluster, group):
        if self.part == "group":
            return cluster.group_coordinator(group)
        if self.part == "transactions":
            return cluster.transaction_coordinator(f"{group}-{self.replica}")
        return cluster.leader(self.topic, self.partition)

    def conclude(self, scene):
        scene.servers.wait_until_whole()

    def what(self):
        if self.part == "group":
            return "the group's coordinator"
        if self.part == "transactions":
            return f"the coordinator of worker {self.replica}'s transactions"
        return f"the leader of {self.topic} [{self.partition}]"


class OneEnded(OneOfThree, Ended):
    pass


class OneSilent(OneOfThree, Silent):
    pass


class TransactionTimedOut(Stopped):
    """The worker stops in the middle of a transaction for longer than that may last, yet not so long that it loses its
    place in the group: nobody but the broker ends the transaction."""

    is_takeover = False

    def __init__(self, scene):
        super().__init__(scene)
        self.victims = ()  # its restart is none that tells how long a restart takes
        self.needs |= {"kafka"}  # which has to answer
        self.seconds = float(scene.options.get("publish.transaction.timeout", "5s").removesuffix("s"))
        self.is_healed = False

    def inject(self, scene):
        self._restart(scene)  # for one that has been timed out takes twice the time from then on
        points = self.replica.failpoints
        points.disarm()
        points.arm("BEFORE_OFFSETS hang 1")
        self.told = self._count_told()
        deadline = time.monotonic() + SOON
        while not points.have_fired() and time.monotonic() < deadline:
            scene.pause(0.005)
        scene.pause(BEGUN)
        super().inject(scene)

    def _restart(self, scene):
        before = self.replica.starts_count
        scene.terminate(self.replica)
        scene.wait(lambda: self.replica.starts_count > before and self.replica.is_running(), "the worker to be back")

    def _count_told(self):
        return self.replica.worker.log_text().count("the broker ended a transaction")

    def has_happened(self, scene):
        return self._count_told() > self.told if self.is_healed else self.replica.failpoints.have_fired()

    def heal(self, scene):
        super().heal(scene)
        self.is_healed = True
        if not self.replica.failpoints.have_fired():
            self.replica.failpoints.disarm()

    def what(self):
        return f"worker {self.replica}"


def beyond(scene):
    return scene.chance.uniform(BEYOND_TIMEOUTS, BEYOND_TIMEOUTS + 3)


def kinds(scene):
    kinds = {"kafka/transaction-time-out": TransactionTimedOut}
    if scene.servers.replication == 1:
        return kinds | {
            "kafka/kill": lambda scene: Ended(scene, signal.SIGKILL),
            "kafka/restart": lambda scene: Ended(scene, signal.SIGTERM),
            "kafka/away": lambda scene: Ended(scene, signal.SIGKILL, beyond(scene)),
            "kafka/silent": lambda scene: Silent(scene, beyond(scene)),
        }
    for part in ("input", "output", "group", "transactions"):
        kinds |= {
            f"cluster/{part}/kill": partial(lambda scene, part: OneEnded(scene, part, signal.SIGKILL, beyond(scene)), part=part),
            f"cluster/{part}/restart": partial(lambda scene, part: OneEnded(scene, part, signal.SIGTERM), part=part),
            f"cluster/{part}/silent": partial(lambda scene, part: OneSilent(scene, part, beyond(scene)), part=part),
        }
    return kinds
