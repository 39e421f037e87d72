"""The stage of a part of the campaign: an installation with two to three workers under a supervisor, a load that never
ends, and observers that watch the group's offsets and the ledger topic all the time."""

import itertools
import random
import re
import threading
import time
from pathlib import Path

from support.client import Client
from support.failpoints import Failpoints
from support.load import Load
from support.wait import wait_until

from crash.campaign.observers import LedgerReader, OffsetsWatcher

NAMES = "abcdefgh"
RESTART_PAUSE = 0.1  # seconds between a worker's end and its next start, as systemd's RestartSec
KILLED = -9
# Time-outs as short as they may be, so that "beyond every time-out" is soon: the campaign's own time is short.
QUICK = {
    "group.session.timeout": "2s",
    "database.idle.timeout": "1s",
    "database.lock.timeout": "1s",
    "database.statement.timeout": "5s",
    "publish.transaction.timeout": "1s",
    "publish.watchdog": "1500ms",
    "batch.linger": "20ms",
}
BROKER_SETTINGS = "group.min.session.timeout.ms=1000"  # which the brokers allow
BEYOND_TIMEOUTS = 3.0  # seconds


class Replica:
    """A worker under a supervisor: whenever it ends it is started again, unless told otherwise."""

    def __init__(self, worker, name):
        self.worker = worker
        self.name = name
        self.failpoints = Failpoints(worker)
        self.is_wanted = False
        self.is_told_to_stop = False
        self.started_at = None
        self.ended_at = None
        self.starts_count = 0

    def __str__(self):
        return self.name

    @property
    def process(self):
        return self.worker.process

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log_end(self, size=3000):
        path = Path(self.worker.log)
        return path.read_text(errors="replace")[-size:] if path.is_file() else ""


class Violation(AssertionError):
    """Something that must never be: the campaign ends and shows it."""


class Scene:
    """`proxies` (support/network.py) may be None; otherwise options() of a replica are its own, which lead it through
    them."""

    def __init__(self, installation, chance, replicas=3, rate=200, note=print, proxies=None, options=None):
        self.installation = installation
        self.servers = installation.servers
        self.client = installation.client
        self.chance = chance  # of the fault at hand
        self.proxies = proxies
        self.note = note
        self.options = QUICK if options is None else options
        self.allowed_exits = frozenset()  # codes, while a fault lasts
        self.violations = []
        self.exits = []  # (time, replica's name, code)
        self.replicas = []
        self._lock = threading.RLock()
        self._is_closed = threading.Event()
        for name in NAMES[:replicas]:
            self.replicas.append(self._replica(name))
        self.load = Pump(installation, random.Random(chance.random()), rate)
        self.offsets = OffsetsWatcher(installation, self.violate)
        self.ledger = LedgerReader(installation, self.violate)
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def _replica(self, name):
        own = self.proxies.options(name, self.installation) if self.proxies is not None else {}
        return Replica(self.installation.worker(name, options=self.options | own), name)

    # ---- for faults ----

    @property
    def workers(self):
        """Those that are running now."""
        return [replica for replica in self.replicas if replica.is_running()]

    def pick(self):
        """A running one, by chance; where none is running, any."""
        return self.chance.choice(self.workers or self.replicas)

    def add(self):
        """One replica more, under a name of its own; not started."""
        with self._lock:
            used = {replica.name for replica in self.replicas}
            name = next(name for name in map("x{}".format, itertools.count(1)) if name not in used)
            self.replicas.append(self._replica(name))
            return self.replicas[-1]

    def remove(self, replica):
        """For good."""
        with self._lock:
            replica.is_wanted = False
            replica.worker.end()
            self.replicas.remove(replica)

    def start(self, replica):
        with self._lock:
            replica.is_wanted = True
            replica.is_told_to_stop = False
            self._start(replica)

    def _start(self, replica):
        replica.worker.start(ready=False)
        replica.starts_count += 1
        replica.started_at = time.monotonic()

    def kill(self, replica):
        """kill -9; the supervisor starts it again."""
        if replica.is_running():
            replica.process.kill()

    def terminate(self, replica):
        """SIGTERM; the supervisor starts it again."""
        with self._lock:
            if replica.is_running():
                replica.is_told_to_stop = True
                replica.process.terminate()

    def dismiss(self, replica):
        """SIGTERM, and it stays down until start()."""
        with self._lock:
            replica.is_wanted = False
            self.terminate(replica)

    def hold_down(self, replica):
        """kill -9, and it stays down until start()."""
        with self._lock:
            replica.is_wanted = False
            self.kill(replica)

    def violate(self, what):
        """What must never be has been seen. The campaign ends with the first."""
        self.note(f"VIOLATION: {what}")
        self.violations.append(what)

    def check(self):
        if self.violations:
            raise Violation(self.violations[0])

    def wait(self, condition, what, seconds=60.0, pause=0.02):
        """wait_until(), which a violation ends."""

        def is_so():
            self.check()
            return condition()

        return wait_until(is_so, what, seconds, pause)

    def pause(self, seconds):
        """Let time go by, unless something is wrong."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.1))
        self.check()

    def owned(self):
        """{replica's name: [(topic, partition)]} as the running workers say."""
        prefix = f'drawdown_position{{topic="{self.installation.prefix}'
        return {
            replica.name: [
                (topic, int(partition))
                for name in replica.worker.metrics()
                if name.startswith(prefix)
                for topic, partition in re.findall(r'^(.*)",partition="(.*)"}$', name.removeprefix(prefix))
            ]
            for replica in self.workers
        }

    def port(self, replica, server):
        """At which that replica reaches "kafka" or "postgres"."""
        links = self.proxies.links(server) if self.proxies is not None else {}
        if replica.name in links:
            return links[replica.name].port
        return int(self.servers.env["PG_PORT"] if server == "postgres" else self.servers.bootstrap.rpartition(":")[2])

    def count_exits(self, replica, code):
        return sum((name, exit_code) == (replica.name, code) for _, name, exit_code in self.exits)

    # ---- the supervisor ----

    def _supervise(self):
        while not self._is_closed.wait(0.01):
            with self._lock:
                for replica in self.replicas:
                    self._look_after(replica)

    def _look_after(self, replica):
        if replica.process is None or replica.process.poll() is None:
            return
        if replica.ended_at is None or replica.ended_at < replica.started_at:
            replica.ended_at = time.monotonic()
            self._note_end(replica, replica.process.returncode)
        if replica.is_wanted and time.monotonic() - replica.ended_at >= RESTART_PAUSE:
            replica.is_told_to_stop = False
            self._start(replica)

    def _note_end(self, replica, code):
        self.exits.append((time.monotonic(), replica.name, code))
        is_expected = code == KILLED or (code == 0 and replica.is_told_to_stop) or code in self.allowed_exits
        if not is_expected:
            self.violate(f"worker {replica} ended by itself with {code}:\n{replica.log_end()}")

    # ---- the beginning and the end ----

    def open(self):
        for replica in self.replicas:
            self.start(replica)
        self._supervisor.start()
        self.load.open()
        self.offsets.start()
        self.ledger.start()
        self.wait_caught_up()
        self.load.start()
        return self

    def wait_caught_up(self, seconds=60.0):
        """All that is in the inputs now is handled; for how long it took."""
        began = time.monotonic()
        ends = self.load.ends()
        self.wait(lambda: self.offsets.have_reached(ends), f"the group to come to {ends}", seconds)
        return time.monotonic() - began

    def drain(self, seconds=60.0):
        """The load ends, and all is handled."""
        self.load.stop()
        self.wait_caught_up(seconds)

    def close(self):
        self.load.stop(flush=False)
        self._is_closed.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for replica in self.replicas:
            replica.is_wanted = False
            replica.worker.end()
        self.offsets.stop()
        self.ledger.stop()


class Pump:
    """The load, from a thread of its own: `rate` events a second, as long as Kafka takes them."""

    IN_FLIGHT_MAX = 2000
    TICK = 0.05  # seconds

    def __init__(self, installation, chance, rate):
        self.client = Client(installation.servers.bootstrap, installation.prefix)
        self.load = Load(self.client, chance)
        self.rate = rate
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self):
        self.load.open()

    def start(self):
        self._thread.start()

    def burst(self, count):
        """So many events at once, which are in the log when it returns."""
        with self._lock:
            self.load.produce(count)

    def pause(self):
        """No more is produced until resume(); what was, is in the log."""
        self._lock.acquire()
        self.client.flush()

    def resume(self):
        self._lock.release()

    def ends(self):
        """Of what is known to be in the log."""
        return dict(self.client.delivered)

    @property
    def count(self):
        return self.client.delivered_count

    def _run(self):
        due = 0.0
        while not self._is_over.wait(self.TICK):
            due = min(due + self.rate * self.TICK, self.rate)
            with self._lock:
                if self.client.in_flight() < self.IN_FLIGHT_MAX:
                    self.load.send(int(due))
                    due -= int(due)

    def stop(self, flush=True):
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        if flush:
            self.client.flush()
