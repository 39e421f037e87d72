"""Every failpoint of the worker with every fault: the worker dies there, stops for longer than the servers wait for it,
gets an error, or loses its connections, and nobody can tell from the books.

Method: a worker of the failpoints build, a small load of all kinds of events, the fault, then more of the load; the lag
must end without a hand. After the faults of a place all books are audited, and the history of the group's offsets. One
installation serves many places; after a failure the next test has a new one.
"""

import random
import subprocess

import pytest
from model import bugs
from model.driver import summary
from support.failpoints import ACTIONS, NAMES, PROGRAM, WITHOUT_ERROR, Failpoints
from support.faults import wait_for_lanes_at_rest
from support.load import Load
from support.servers import ROOT
from support.wait import wait_until

HANG = 2  # seconds; the servers wait for one
OPTIONS = {
    "database.idle.timeout": "1s",
    "publish.transaction.timeout": "1s",
    "publish.watchdog": "1500ms",
    "batch.linger": "20ms",
}
# What brings the worker to a place that lies off its way.
BEFORE = {
    "AFTER_CLAIM": ("AFTER_DECODE error",),
    "AFTER_RECOVERY_READ": ("AFTER_ENCODE error",),
    "BEFORE_INIT": ("BEFORE_OFFSETS error",),
    "AFTER_INIT": ("BEFORE_OFFSETS error",),
}


class Subject:
    """An installation, its worker with failpoints, and the load."""

    def __init__(self, installation, seed):
        self.installation = installation
        self.worker = installation.worker("a")
        self.failpoints = Failpoints(self.worker)
        self.load = Load(installation.client, random.Random(seed))

    def begin(self):
        self.worker.start(ready=False)
        self.load.open()
        self.installation.wait_for_lag_zero()
        return self

    def strike(self, *faults, by=None):
        """The faults happen, the last of them while the worker does what `by` makes it do; then it goes on."""
        self.failpoints.arm(*faults)
        self.load.produce(60)
        if by is not None:
            by(self)
        self.failpoints.wait()
        if faults[-1].endswith(" crash"):
            assert self.worker.wait() == -9
            self.worker.start(ready=False)
        self.load.produce(20)

    def settle(self):
        self.installation.wait_for_lag_zero(ended=())
        assert self.worker.process.poll() is None, "the worker ended"

    def end(self):
        for worker in self.installation.workers:
            worker.end()

    def audit(self):
        """All books, no transaction is left open, no offset ever went back."""
        print(summary(self.installation.audit()))
        for topic in ("outcomes", "notifications", "dead-letters"):
            self.installation.client.read(topic)  # waits for transactions that are open
        wait_for_lanes_at_rest(self.installation)
        self.installation.check_offsets()


def faults_of(name, servers):
    """Every fault that can happen at the place."""
    for action in ACTIONS:
        if action == "hang":
            yield f"{name} hang {HANG}"
        elif action == "lost":
            yield f"{name} lost {servers.env['PG_PORT']}"
            yield f"{name} lost {servers.bootstrap.rpartition(':')[2]}"
        elif action != "error" or name not in WITHOUT_ERROR:
            yield f"{name} {action}"


@pytest.fixture(scope="module")
def shared():
    return []


@pytest.fixture
def subject(shared, install_for_all):
    """The one that was audited last, or a new one."""
    seed = random.randrange(2**32)
    print(f"seed of a new load: {seed}")
    subject = shared.pop() if shared else Subject(install_for_all(OPTIONS, program=PROGRAM), seed).begin()
    yield subject
    if subject not in shared:
        print(subject.worker.log_text()[-8000:])
        subject.end()


def make_another_member_join(subject):
    subject.installation.worker(f"member-{len(subject.installation.workers)}").start(ready=False)


def tell_to_stop(subject):
    subject.worker.process.terminate()


TRIGGERS = {"IN_REVOKE": make_another_member_join, "IN_SHUTDOWN": tell_to_stop}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "AFTER_START"])
def test_every_fault(shared, subject, servers, name):
    for fault in faults_of(name, servers):
        subject.strike(*BEFORE.get(name, ()), fault, by=TRIGGERS.get(name))
        if name == "IN_SHUTDOWN" and not fault.endswith(" crash"):
            assert subject.worker.wait() == 0
            subject.worker.start(ready=False)
        subject.settle()
    assert "shut 0 connections" not in subject.worker.log_text()
    subject.audit()
    shared.append(subject)


def test_every_fault_between_the_two_halves_of_a_partition_s_beginning(install, servers):
    for fault in faults_of("AFTER_START", servers):
        subject = Subject(install(OPTIONS, program=PROGRAM), 1)
        subject.failpoints.arm(fault)
        subject.worker.start(ready=False)
        subject.failpoints.wait()
        if fault.endswith(" crash"):
            assert subject.worker.wait() == -9
            subject.worker.start(ready=False)
        subject.load.open()
        subject.settle()
        subject.load.produce(60)
        subject.settle()
        subject.audit()
        subject.end()


def test_nothing_is_seen_of_messages_that_are_in_the_log_when_the_worker_dies(install):
    subject = Subject(install(OPTIONS, program=PROGRAM), 1).begin()  # the only member: nobody else publishes
    client = subject.installation.client
    subject.settle()  # or what came before may still be on its way to the ledger
    end, seen = sum(client.ends("ledger").values()), len(client.read("ledger"))
    subject.failpoints.arm("IN_PRODUCE hang 0")
    subject.load.produce(60)
    subject.failpoints.wait()
    wait_until(lambda: sum(client.ends("ledger").values()) > end, "messages in the log")
    subject.worker.kill()
    assert len(client.read("ledger", waits=False)) == seen
    subject.worker.start(ready=False)
    subject.settle()
    subject.audit()


def symbols(program):
    listing = subprocess.run(["nm", program], check=True, capture_output=True, text=True).stdout
    return [line.split()[-1] for line in listing.splitlines() if "failpoint" in line.lower()]


def test_the_program_that_is_installed_has_no_failpoint():
    installed = ROOT / "build/release/drawdown"
    assert len(NAMES) >= 14 and all(name.encode() in PROGRAM.read_bytes() for name in NAMES)
    assert any(name.startswith("failpoint_pass") for name in symbols(PROGRAM))
    assert symbols(installed) == []
    assert b"FAILPOINT_FILE" in PROGRAM.read_bytes() and b"FAILPOINT_FILE" not in installed.read_bytes()


# Where each deliberate bug is seen.
FAULTS_OF_BUGS = {
    "offsets_first": "BEFORE_OFFSETS crash",
    "own_receipt_is_duplicate": "COMMIT_SENT lost {PG_PORT}",
    "unanswered_is_committed": "BEFORE_COMMIT lost {PG_PORT}",
    "published_unasked": "AFTER_KAFKA_COMMIT error",
}


@pytest.fixture(scope="module")
def programs():
    return bugs.build(ROOT / "build/bugs", bugs=bugs.FAULT_BUGS)


@pytest.mark.parametrize("bug", bugs.FAULT_BUGS, ids=lambda bug: bug.name)
def test_the_bug_is_seen(install, programs, servers, bug):
    subject = Subject(install(OPTIONS, program=programs[bug.name]), 1).begin()
    subject.audit()
    subject.strike(FAULTS_OF_BUGS[bug.name].format(**servers.env))
    with pytest.raises(AssertionError) as seen:
        subject.settle()
        subject.audit()
    print(f"{bug.name}: {str(seen.value)[:500]}")
