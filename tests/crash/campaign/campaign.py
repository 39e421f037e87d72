"""A campaign: in parts, each with an installation of its own, whose books are audited at its end."""

import random
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

from model.driver import summary
from support.worker import Installation

from crash.campaign import checker, histories
from crash.campaign.scene import BROKER_SETTINGS, Scene, Violation
from crash.campaign.schedule import Schedule

RECOVERY_MAX = 60.0  # seconds after which a hand would be needed
BURST = 3000  # events of the measurement of throughput


@dataclass
class Step:
    """What happened with one fault, or with two at a time. Seconds."""

    number: int
    part: int
    kinds: list
    happened: list
    at: float  # since the campaign began
    tally: Counter = field(default_factory=Counter)  # of what came about, by kind
    missed: int = 0  # how many did not
    lasted: float = 0.0
    recovery: float | None = None  # from the heal until all that was in the log then is handled
    first_commit: float | None = None  # from a killed worker's start until a partition of it moved
    takeover: float | None = None  # from a worker's silence until others have moved all its partitions


@dataclass
class Part:
    number: int
    began: float
    replicas: int
    events: int = 0
    entries: int = 0
    told: int = 0  # events of histories
    faults: int = 0
    audit_seconds: float = 0.0
    before: float = 0.0  # events a second of a burst
    after: float = 0.0
    loaded: list = field(default_factory=list)  # seconds since the campaign began in which load came
    available: list = field(default_factory=list)  # and those of them in which something was committed
    answers: str = ""


class Campaign:
    def __init__(self, servers, directory, seed, *, only="*", program=None, rate=200, part_faults=120, options=None,
                 proxies=None, histories=None, note=print):
        self.servers = servers
        self.directory = directory
        self.seed = seed
        self.schedule = Schedule(seed, only)
        self.chance = random.Random(f"{seed}/parts")
        self.program = program
        self.rate = rate
        self.part_faults = part_faults
        self.options = options
        self.proxies = proxies
        self.histories = histories  # random events of the histories behind each part; None: no histories
        self.steps = []
        self.parts = []
        self.timeline = []
        self.exits = []
        self.violation = None
        self.is_broken = False  # the campaign itself: what stands in violation is no fault of the worker
        self._print = note
        self._began = time.monotonic()

    def now(self):
        return time.monotonic() - self._began

    def note(self, text):
        self.timeline.append((round(self.now(), 3), text))
        self._print(f"{self.now():9.3f}  {text}")

    @property
    def faults_count(self):
        return sum(step.tally.total() for step in self.steps)

    def run(self, faults=None, minutes=None):
        """Until so many faults have happened, or so much time is over. What is wrong is in `violation`."""
        def is_over():
            return (faults and self.faults_count >= faults) or (minutes and self.now() >= minutes * 60)

        try:
            while not is_over():
                self._run_part(is_over)
        except AssertionError as error:
            self.violation = str(error)
            self.note(f"the campaign ends: {error}")
        except Exception as error:  # of the harness: nothing is proven of the part at hand, the rest is worth its report
            self.is_broken = True
            self.violation = f"the campaign itself failed: {error!r}"
            self.note(f"{self.violation}\n{traceback.format_exc()}")
        return self

    # ---- a part ----

    def _run_part(self, is_over):
        part = Part(len(self.parts), self.now(), self.chance.choice((2, 3, 3)))
        self.parts.append(part)
        directory = self.directory / f"part-{part.number}"
        directory.mkdir(parents=True)
        installation = Installation(self.servers, directory, f"part{part.number}.", program=self.program)
        offsets_since = installation.client.offsets_log_ends()
        chance = random.Random(f"{self.seed}/part {part.number}")
        scene = Scene(installation, chance, part.replicas, self.rate, self.note, self.proxies, self.options)
        self.note(f"part {part.number}: {part.replicas} workers")
        try:
            scene.open()
            part.before = self._burst(scene)
            begin = self.faults_count
            began = time.monotonic()
            while not is_over() and self.faults_count - begin < self.part_faults:
                faults, quiet = self.schedule.next(scene)
                self._perform(scene, faults)
                scene.pause(quiet)
                if faults[0].is_end:
                    break
            ended = time.monotonic()
            part.faults = self.faults_count - begin
            part.after = self._burst(scene)
            scene.drain()
            self._note_availability(part, scene, began, ended)
            self._audit(part, scene, offsets_since)
        finally:
            self.exits += [(round(at - self._began, 3), name, code) for at, name, code in scene.exits]
            scene.close()
        installation.forget()
        installation.client.close()
        if self.histories is not None:
            seed = f"{self.seed}/histories {part.number}"
            where = directory, f"part{part.number}."
            part.told = histories.perform(self.servers, *where, self.program, seed, self.histories)
            self.note(f"part {part.number}: {part.told} events of histories, as the referee has them")

    def _burst(self, scene):
        """Events a second that are handled when there are more than enough."""
        before = scene.load.count
        began = time.monotonic()
        scene.load.burst(BURST)
        scene.wait_caught_up()
        return round((scene.load.count - before) / (time.monotonic() - began))

    def _note_availability(self, part, scene, began, ended):
        seconds = range(int(began - self._began), int(ended - self._began))
        moved = {int(at - self._began) for at, _ in scene.offsets.moves}
        part.loaded = list(seconds)
        part.available = [second for second in seconds if second in moved]

    def _audit(self, part, scene, offsets_since):
        began = time.monotonic()
        referee = checker.audit(scene, offsets_since)
        scene.check()
        part.audit_seconds = round(time.monotonic() - began, 1)
        part.events, part.entries = len(referee.answers) , len(referee.entries)
        part.answers = summary(referee)
        self.note(f"part {part.number}: {part.events} events, {part.entries} entries, all books are right")

    # ---- a step ----

    def _perform(self, scene, faults):
        step = Step(len(self.steps), len(self.parts) - 1, [fault.kind for fault in faults], [], round(self.now(), 3))
        self.steps.append(step)
        if faults[0].is_end:
            self._perform_end(scene, faults[0], step)
            return
        owned = scene.owned()
        scene.allowed_exits = frozenset().union(*(fault.exit_codes for fault in faults))
        began = time.monotonic()
        starts = {replica: replica.starts_count for replica in scene.replicas}
        for fault in faults:
            self.note(f"{' + '.join(step.kinds) if fault is faults[0] else '...'}: {fault.what()}")
            fault.inject(scene)
        self._last(scene, faults)
        step.lasted = round(time.monotonic() - began, 3)
        self._heal(scene, faults)
        healed = time.monotonic()
        step.recovery = round(self._recover(scene, faults), 3)
        step.happened = [fault.has_happened(scene) for fault in faults]
        for fault in faults:
            came = fault.tally(scene)
            step.tally += came
            step.missed += fault.size - came.total()
            if came.total() < fault.size:
                self.note(f"{fault.kind}: {fault.size - came.total()} of {fault.size} did not come about")
            fault.conclude(scene)
        self._measure(step, scene, faults, owned, starts, began)
        scene.allowed_exits = frozenset()
        self.note(f"recovered after {time.monotonic() - healed:.2f} s")

    def _last(self, scene, faults):
        """Until all have come about, or cannot; and then as long as they last."""
        deadline = time.monotonic() + max(fault.happen_max for fault in faults)
        seconds = max(fault.seconds for fault in faults)
        if len(faults) > 1 and seconds:  # one may well keep the other from coming about
            deadline = time.monotonic() + seconds
        while not all(fault.has_happened(scene) for fault in faults) and time.monotonic() < deadline:
            scene.pause(0.01)
        scene.pause(seconds)

    def _heal(self, scene, faults):
        for fault in scene.chance.sample(faults, len(faults)):
            fault.heal(scene)

    def _recover(self, scene, faults):
        try:
            return scene.wait_caught_up(RECOVERY_MAX)
        except Violation:
            raise
        except AssertionError as error:
            logs = "".join(f"--- {replica}\n{replica.log_end(2000)}" for replica in scene.replicas)
            raise Violation(f"a hand is needed after {' + '.join(map(str, faults))}: {error}\n{logs}") from None

    def _measure(self, step, scene, faults, owned, starts, began):
        for fault in faults:
            for replica in fault.victims:
                at = owned.get(replica.name, ())
                if replica.starts_count > starts.get(replica, 0) and at and len(faults) == 1:
                    moved = [scene.offsets.first_move(key, replica.started_at) for key in at]
                    moved = [move for move in moved if move is not None]
                    step.first_commit = round(min(moved) - replica.started_at, 3) if moved else None
                if fault.is_takeover and at and len(faults) == 1:
                    moved = [scene.offsets.first_move(key, began + 0.3) for key in at]
                    if all(moved):
                        step.takeover = round(max(moved) - began, 3)

    def _perform_end(self, scene, fault, step):
        """The workers end, again at each start, with the code and message that tell the operator what to do; he does it,
        and all goes on."""
        self.note(f"{fault.kind}: {fault.what()}")
        scene.allowed_exits = frozenset({fault.exit_code})
        fault.inject(scene)
        began = time.monotonic()
        victims = fault.victims or tuple(scene.replicas)
        for replica in victims:
            scene.wait(lambda: scene.count_exits(replica, fault.exit_code) >= 2, f"{replica} to end with {fault.exit_code}")
            assert fault.message in replica.log_end(20000), f"{replica} does not say {fault.message!r}:\n{replica.log_end()}"
        step.lasted = round(time.monotonic() - began, 3)
        for replica in scene.replicas:
            scene.hold_down(replica)
        scene.wait(lambda: not scene.workers, "the workers to be gone")
        fault.repair(scene)
        scene.allowed_exits = frozenset()
        for replica in scene.replicas:
            scene.start(replica)
        step.recovery = round(self._recover(scene, [fault]), 3)
        step.happened = [True]
        step.tally[fault.kind] += 1
        self.note(f"{fault.kind}: repaired")


def kafka_settings():
    return {"KAFKA_SETTINGS": f"{BROKER_SETTINGS}\noffsets.topic.segment.bytes=20000000"}
