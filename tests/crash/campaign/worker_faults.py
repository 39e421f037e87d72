"""What happens to workers: a failpoint with each of its faults, signals, want of file descriptors, a full disk for logs,
replicas that come and go."""

import os
import resource
import signal
import time
from functools import partial
from pathlib import Path

from support.failpoints import ACTIONS, NAMES, WITHOUT_ERROR
from support.faults import cut_connections

from crash.campaign.fault import Fault
from crash.campaign.scene import BEYOND_TIMEOUTS

HANG = 2  # seconds; the servers wait for one
# Places that lie off a busy worker's way, and what brings it there.
BEFORE = {
    "AFTER_CLAIM": ("AFTER_DECODE error",),
    "AFTER_RECOVERY_READ": ("AFTER_ENCODE error",),
    "BEFORE_INIT": ("BEFORE_OFFSETS error",),
    "AFTER_INIT": ("BEFORE_OFFSETS error",),
}
ONCE = ("AFTER_START",)  # only at the beginning of a partition's life


def line_of(scene, replica, fault):
    """The control file's line of what faults_at_failpoints() names."""
    name, action, *server = fault.split()
    return f"{name} lost {scene.port(replica, server[0])}" if action == "lost" else fault


class OfWorker(Fault):
    """Something that happens to one replica."""

    def __init__(self, scene):
        self.replica = scene.pick()
        self.victims = (self.replica,)
        self.needs = frozenset({f"worker {self.replica}"})


class AtFailpoint(OfWorker):
    """The fault that the kind names, at the place that it names."""

    def __init__(self, scene, fault):
        super().__init__(scene)
        name, action, *_ = fault.split()
        self.faults = (*BEFORE.get(name, ()), line_of(scene, self.replica, fault))
        self.name = name
        self.seconds = HANG if action == "hang" else 0.0

    def inject(self, scene):
        self.replica.failpoints.disarm()
        self.replica.failpoints.arm(*self.faults)
        if self.name == "IN_REVOKE":
            self.newcomer = scene.add()
            scene.start(self.newcomer)
        elif self.name == "IN_SHUTDOWN":
            scene.terminate(self.replica)

    def has_happened(self, scene):
        return self.replica.failpoints.have_fired()

    def heal(self, scene):
        if not self.has_happened(scene):
            self.replica.failpoints.disarm()
        if self.name == "IN_REVOKE":
            scene.remove(self.newcomer)


class Killed(OfWorker):
    def inject(self, scene):
        scene.kill(self.replica)


class HeldDown(OfWorker):
    """kill -9, and it stays away: the others take over."""

    seconds = BEYOND_TIMEOUTS
    is_takeover = True

    def inject(self, scene):
        scene.hold_down(self.replica)

    def heal(self, scene):
        scene.start(self.replica)


class Terminated(OfWorker):
    def inject(self, scene):
        scene.terminate(self.replica)


class Stopped(OfWorker):
    """SIGSTOP for longer than anybody waits for it, then SIGCONT: a zombie."""

    seconds = BEYOND_TIMEOUTS
    is_takeover = True

    def inject(self, scene):
        self.pid = self.replica.process.pid
        os.kill(self.pid, signal.SIGSTOP)

    def heal(self, scene):
        if self.replica.is_running():
            os.kill(self.pid, signal.SIGCONT)


class StoppedShortly(Stopped):
    """So short that some of its time-outs have passed and others not."""

    is_takeover = False

    def __init__(self, scene):
        super().__init__(scene)
        self.seconds = scene.chance.uniform(0.5, 2.5)


class OfAll(Fault):
    def __init__(self, scene):
        self.victims = tuple(scene.replicas)
        self.needs = frozenset(f"worker {replica}" for replica in scene.replicas)


class AllKilled(OfAll):
    def inject(self, scene):
        for replica in self.victims:
            scene.kill(replica)


class WithoutDescriptors(OfWorker):
    """No file and no connection can be opened any more, and those to the database are cut."""

    seconds = 1.0

    def __init__(self, scene):
        super().__init__(scene)
        self.needs |= {"postgres"}  # which has to answer: its sessions are cut

    def inject(self, scene):
        pid = self.pid = self.replica.process.pid
        self.limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (4, self.limits[1]))
        cut_connections(scene.installation)

    def heal(self, scene):
        if self.replica.is_running() and self.replica.process.pid == self.pid:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.limits)


class LogsOnFullDisk(OfWorker):
    """Nothing that it logs can be written; and it has something to say."""

    seconds = 1.0

    def __init__(self, scene):
        super().__init__(scene)
        self.needs |= {"postgres"}  # which has to answer: its sessions are cut

    def inject(self, scene):
        self.log = self.replica.worker.log
        self.replica.worker.log = Path("/dev/full")
        before = self.replica.starts_count
        scene.terminate(self.replica)
        scene.wait(lambda: self.replica.starts_count > before and self.replica.is_running(), "the worker to be back")
        cut_connections(scene.installation)

    def heal(self, scene):
        self.replica.worker.log = self.log
        scene.terminate(self.replica)


class Storm(OfAll):
    """Two more replicas come and go, by turns, told to or killed."""

    turns = 4
    turn_seconds = 0.8

    def inject(self, scene):
        others = [scene.add(), scene.add()]
        try:
            for turn in range(self.turns):
                one = others[turn % 2]
                scene.start(one)
                time.sleep(self.turn_seconds)
                (scene.dismiss if scene.chance.random() < 0.5 else scene.hold_down)(one)
        finally:
            for one in others:
                scene.remove(one)


def faults_at_failpoints():
    """Every fault at every place, as a control file has it but for a server's port, by the kind that reports know it by."""
    for name in NAMES:
        for action in ACTIONS if name not in ONCE else ():
            if action == "lost":
                for server in ("postgres", "kafka"):
                    yield f"failpoint/{name}/lost-{server}", f"{name} lost {server}"
            elif action == "hang":
                yield f"failpoint/{name}/hang", f"{name} hang {HANG}"
            elif action != "error" or name not in WITHOUT_ERROR:
                yield f"failpoint/{name}/{action}", f"{name} {action}"


def kinds(scene):
    kinds = {kind: partial(AtFailpoint, fault=fault) for kind, fault in faults_at_failpoints()}
    return kinds | {
        "worker/kill": Killed,
        "worker/held-down": HeldDown,
        "worker/terminate": Terminated,
        "worker/zombie": Stopped,
        "worker/stopped-shortly": StoppedShortly,
        "worker/all-killed": AllKilled,
        "worker/no-descriptors": WithoutDescriptors,
        "worker/logs-on-full-disk": LogsOnFullDisk,
        "worker/storm": Storm,
    }
