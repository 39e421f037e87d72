"""A server is away for long: the worker neither exits nor grows nor forgets, and goes on by itself.

Method: the worker is in the middle of a backlog, with its sweeper busy, when the server goes; while it is away, the
process is watched; when it is back nobody does anything, and all books are audited. $DRAWDOWN_OUTAGE says for how many
seconds; with it servers are also silent, connections open, instead of gone. An hour is a recorded run: ../README.md.
"""

import os
import random
import signal
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.client import Client
from support.events import consume, grant
from support.faults import ledger_locked
from support.wait import wait_until

OUTAGE = float(os.environ.get("DRAWDOWN_OUTAGE", 30))
IS_LONG = "DRAWDOWN_OUTAGE" in os.environ
CUSTOMERS = [f"customer-{number}" for number in range(40)]
OPTIONS = {"sweep.interval": "200ms", "dedupe.drop.interval": "1s"}
BUSY = {"batch.records.max": 100, "database.lock.timeout": "25s"}
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
SETTLED = 0.25  # of the outage: what has come by then may stay


class Vitals:
    """What a process takes, looked at again and again."""

    def __init__(self, worker):
        self.worker = worker
        self.process = Path(f"/proc/{worker.process.pid}")
        self.samples = []

    def look(self):
        assert self.worker.process.poll() is None, f"worker ended:\n{self.worker.log_text()[-4000:]}"
        status = dict(line.split(":", 1) for line in (self.process / "status").read_text().splitlines())
        self.samples.append(
            {
                "time": time.monotonic(),
                "rss": int(status["VmRSS"].split()[0]),  # kB
                "threads": int(status["Threads"]),
                "files": len(list((self.process / "fd").iterdir())),
                "lines": self.worker.log_text().count("\n"),
                "cpu": sum(map(int, (self.process / "stat").read_text().rsplit(")", 1)[1].split()[11:13])),
                "live": self.worker.get("/livez")[0],
            }
        )

    def watch(self, seconds):
        end = time.monotonic() + seconds

        def is_over():
            self.look()
            return time.monotonic() >= end

        wait_until(is_over, "the outage to end", seconds + 60, pause=min(1.0 + seconds / 600, 5.0))

    def judge(self):
        begin = self.samples[0]["time"]
        length = self.samples[-1]["time"] - begin
        settled = [sample for sample in self.samples if sample["time"] - begin <= length * SETTLED]
        late = [sample for sample in self.samples if sample["time"] - begin > length * SETTLED]
        for what, room in (("rss", 4096), ("threads", 1), ("files", 2)):
            before, after = (max(sample[what] for sample in some) for some in (settled, late))
            assert after <= before + room, f"{what} grew from {before} to {after}"
        assert all(sample["live"] == 200 for sample in self.samples), "it was taken for dead"
        lines = (late[-1]["lines"] - late[0]["lines"]) / (late[-1]["time"] - late[0]["time"])
        assert lines < 3, f"{lines:.1f} lines a second in the log"

    def summary(self):
        first, last = self.samples[0], self.samples[-1]
        most = {what: max(sample[what] for sample in self.samples) for what in ("rss", "threads", "files")}
        return (
            f"{last['time'] - first['time']:.0f} s; at most {most}; at the end rss {last['rss']}, threads {last['threads']}, "
            f"files {last['files']}; {last['lines'] - first['lines']} lines of log, "
            f"{(last['cpu'] - first['cpu']) / CLOCK_TICKS:.1f} s of CPU"
        )


@contextmanager
def gone(servers, server):
    servers.end(server, signal.SIGKILL if server == "kafka" else signal.SIGQUIT)
    yield
    servers.resume(server)


def silent(servers, server):
    return servers.frozen(server)


def produce(drawdown, chance, count):
    for _ in range(count):
        drawdown.client.produce("usage", consume(chance.choice(CUSTOMERS), "0.375"))
    drawdown.client.flush()


def open_accounts(drawdown):
    """Each with a grant that ends soon, and one that ends while the server is away, for the sweeper to find."""
    now = datetime.now(timezone.utc)
    for number, customer in enumerate(CUSTOMERS):
        drawdown.client.produce("commands", grant(customer, 50))
        for seconds in (10, 20 + number):
            drawdown.client.produce("commands", grant(customer, 5, expireAt=now + timedelta(seconds=seconds)))


@pytest.mark.parametrize("how", [gone, silent] if IS_LONG else [gone])
@pytest.mark.parametrize("server", ["postgres", "kafka"])
def test_a_server_is_away_for_long(install, server, how):
    chance = random.Random(7)
    drawdown = install(OPTIONS)
    worker = drawdown.worker(options=BUSY).start()
    open_accounts(drawdown)
    drawdown.wait_for_lag_zero()
    goal = drawdown.books.count() + 500
    with ledger_locked(drawdown):
        produce(drawdown, chance, 3000)
    wait_until(lambda: drawdown.books.count() > goal, f"{goal} entries", pause=0.002)
    vitals = Vitals(worker)
    with how(drawdown.servers, server):
        if server == "postgres":
            produce(drawdown, chance, 500)
        drawdown.client.close()
        vitals.watch(OUTAGE)
        print(vitals.summary())
    drawdown.client = Client(drawdown.servers.bootstrap, drawdown.prefix)
    back = time.monotonic()
    done = worker.metrics().get("drawdown_batches_total", 0)
    wait_until(lambda: worker.metrics().get("drawdown_batches_total", 0) > done, "the first batch")
    print(f"first batch after {time.monotonic() - back:.2f} s")
    produce(drawdown, chance, 500)
    drawdown.wait_for_lag_zero(ended=())
    drawdown.wait_until_counted()
    vitals.judge()
    drawdown.audit()
