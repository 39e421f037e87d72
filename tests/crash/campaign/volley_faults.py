"""Faults at failpoints in close order: every worker has a list of its own, and the next comes as soon as the one before it
has happened, whether that one is recovered from or not."""

from collections import Counter

from crash.campaign.fault import Fault
from crash.campaign.worker_faults import BEFORE, HANG, faults_at_failpoints, line_of

SIZE = (10, 40)  # faults for each worker
SKIP_MAX = 3  # passes that are let through before one
SECONDS_EACH = 2.0  # for one to come about, at most, on average
WEIGHTS = {"crash": 2, "hang": 1, "error": 6, "lost-postgres": 3, "lost-kafka": 3}
ELSEWHERE = ("IN_REVOKE", "IN_SHUTDOWN")  # not on the way of a worker that goes on


class Volley(Fault):
    def __init__(self, scene):
        self.replicas = tuple(scene.workers)
        self.needs = frozenset({"postgres", "kafka", *(f"worker {replica}" for replica in scene.replicas)})
        self.lists = [self._draw(scene, replica) for replica in self.replicas]
        self.size = sum(len(kinds) for kinds, _ in self.lists)
        self.happen_max = 10.0 + SECONDS_EACH * max((len(kinds) for kinds, _ in self.lists), default=0)

    def _draw(self, scene, replica):
        """What comes to it: the kinds as reports know them, and the control file's lines."""
        choice = {kind: fault for kind, fault in faults_at_failpoints() if kind.split("/")[1] not in ELSEWHERE}
        weights = [WEIGHTS[kind.split("/")[2]] for kind in choice]
        kinds, lines = [], []
        for kind in scene.chance.choices(list(choice), weights, k=scene.chance.randint(*SIZE)):
            name = kind.split("/")[1]
            for before in BEFORE.get(name, ()):
                kinds.append("failpoint/" + before.replace(" ", "/"))
                lines.append(before)
            skip = 0 if name in BEFORE else scene.chance.randint(0, SKIP_MAX)
            kinds.append(kind)
            lines.append(f"{line_of(scene, replica, choice[kind])} {skip}")
        return kinds, lines

    def inject(self, scene):
        self.idle_before = self._count_idle()
        for replica, (_, lines) in zip(self.replicas, self.lists):
            replica.failpoints.disarm()
            replica.failpoints.arm(*lines)
        self.counts = [0] * len(self.replicas)

    def has_happened(self, scene):
        return all(replica.failpoints.have_fired() for replica in self.replicas)

    def heal(self, scene):
        for i, replica in enumerate(self.replicas):
            self.counts[i] = replica.failpoints.fired_count()
            replica.failpoints.disarm()

    def tally(self, scene):
        """Those that came about, by the kinds that they are of, but for connections that were lost already."""
        came = sum((Counter(kinds[:count]) for (kinds, _), count in zip(self.lists, self.counts)), Counter())
        idle = self._count_idle() - self.idle_before
        for kind in [kind for kind in came if "/lost-" in kind]:
            less = min(idle, came[kind])
            came[kind] -= less
            idle -= less
        return +came

    def _count_idle(self):
        return sum(replica.worker.log_text().count("shut 0 connections") for replica in self.replicas)

    def what(self):
        return f"{self.size} faults, hangs of {HANG} s among them, at {len(self.replicas)} workers"


def kinds(scene):
    return {"volley": Volley}
