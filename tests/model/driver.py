"""Takes a run of histories through a real installation, and holds it against the referee; makes a failing one small."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from dataclasses import replace

from psycopg.types.json import Json

from model.compare import find_differences
from model.contract import KINDS
from model.histories import Run
from support.wait import wait_until

# The topics keep what is days old, no receipt is dropped meanwhile, and nobody but the history advances accounts: the
# sweeper would bring them to today.
OPTIONS = {
    "inputs.timestamps": "trusted",
    "merge.wait": "10s",
    "topics.retention": "3650d",
    "dedupe.window.short": "allow",
    "dedupe.drop.interval": "0",
    "sweep.interval": "0",
}


class Drive:
    """One run through one installation. `chance` decides where workers are killed and how they are started."""

    def __init__(self, install, run, chance, **arguments):
        self.run = run
        self.chance = chance
        self.installation = install(OPTIONS | run.options, **arguments)
        self.stages = []
        for currency, row in run.currencies.items():
            row = row | {"expiry_grace": f"{row['expiry_grace']} seconds", "thresholds": Json(row["thresholds"])}
            self.installation.set_currency(currency, **row)

    def perform(self, disturbed=True):
        """Produce it in its portions, each while no worker runs; in between workers come and go."""
        portions = [[] for _ in range(self.run.portions_count)]
        for item in self.run.inputs:
            portions[item.portion].append(item)
        for number, portion in enumerate(portions):
            if number > 0:
                self.stages.append((self._ends(), self._recorded()))
            for item in portion:
                self.installation.client.produce(item.topic, item.raw(), key=item.customer, timestamp=item.at)
            self.installation.client.flush()
            for _ in range(self.chance.choice((0, 1, 1, 2)) if disturbed else 0):
                self._live_partly()
        self._start()
        self.installation.wait_for_lag_zero(600)
        assert self.installation.workers[-1].terminate() == 0
        return self

    def _start(self):
        options = {
            "batch.records.max": self.chance.choice((7, 50, 500, 5000) if len(self.run.inputs) < 4000 else (500, 5000)),
            "database.lanes": self.chance.choice((1, 2, 3)),
        }
        return self.installation.worker(options=options).start(ready=False)

    def _live_partly(self):
        """A worker that handles some of what is there, and is killed or stopped."""
        before = self.installation.unrecorded()
        goal = self.chance.randrange(before + 1) if self.chance.random() < 0.8 else 0
        worker = self._start()
        wait_until(lambda: self._has_come_to(worker, goal), f"only {goal} records left of {before}", 300, pause=0.002)
        if self.chance.random() < 0.6:
            worker.kill()
        else:
            wait_until(lambda: worker.get("/livez")[0] == 200, "the worker to have begun")
            assert worker.terminate() == 0

    def _has_come_to(self, worker, goal):
        assert worker.process.poll() is None, f"worker ended with {worker.process.returncode}:\n{worker.log_text()[-4000:]}"
        return self.installation.unrecorded() <= goal

    def _full(self, positions):
        return {(self.installation.prefix + topic, partition): at for (topic, partition), at in positions.items()}

    def _ends(self):
        client = self.installation.client
        return self._full({(t, p): end for t in ("usage", "commands") for p, end in client.ends(t).items()})

    def _recorded(self):
        return self._full(self.installation.recorded())

    # ---- against the referee ----

    def referee(self):
        return self.installation.referee(by_time=True, stages=self.stages, **self.run.rules())

    def check(self):
        """Everything, or the first Difference."""
        return self.installation.audit(by_time=True, stages=self.stages, **self.run.rules())

    def forget(self):
        """Free what it takes of the servers."""
        self.installation.forget()


def summary(referee):
    """How often which answer came."""
    counts = Counter(
        f"{answer.event.kind if answer.event else 'unreadable'} {answer.code or answer.outcome}"
        for answer in referee.answers.values()
    )
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


# ---- making it small ----


class Shrinker:
    """Finds a small run that still fails."""

    def __init__(self, install, run, seconds, report=print, **arguments):
        self.install = install
        self.arguments = arguments
        self.run = run
        self.deadline = time.monotonic() + seconds
        self.report = report
        self.seed = 0

    def shrink(self, customer=None):
        """The smallest failing run that was found in time: of one customer's events, or (where a worker ended) of all."""
        inputs, fails = self.run.inputs, self._end_a_worker
        if customer is not None:
            inputs, fails = [item for item in inputs if item.customer == customer], self._differ
        whole = [replace(item, portion=0) for item in inputs]
        for self.seed in range(6):  # batches and lanes of another size
            if fails([whole])[0]:
                inputs = whole
                break
            if fails([inputs])[0]:
                break
        else:
            self.report(f"{len(inputs)} events alone do not fail: the whole run is kept")
            return self.run
        inputs = minimize(inputs, fails, lambda: time.monotonic() < self.deadline, self.report)
        return Run(self.run.currencies, self.run.options, inputs)

    def _differ(self, candidates):
        """Of each list of one customer's inputs: does it come to a difference? All at once, each with a customer of its
        own."""
        inputs = []
        for number, candidate in enumerate(candidates):
            inputs += [item.renamed(f"try-{number}") for item in candidate]
        drive = self._drive(sorted(inputs, key=lambda item: item.portion))
        try:
            drive.perform(disturbed=False)
            found = find_differences(drive.installation, drive.referee(), order_is_certain=True)
            customers = {difference.customer for difference in found}
            return [f"try-{number}" in customers for number in range(len(candidates))]
        finally:
            drive.forget()

    def _end_a_worker(self, candidates):
        """Of each list of inputs: does a worker end of it? One after the other, until one does."""
        for number, candidate in enumerate(candidates):
            drive = self._drive(candidate)
            try:
                drive.perform(disturbed=False)
            except AssertionError:
                return [index == number for index in range(len(candidates))]
            finally:
                drive.forget()
        return [False] * len(candidates)

    def _drive(self, inputs):
        run = Run(self.run.currencies, self.run.options, inputs)
        return Drive(self.install, run, random.Random(self.seed), **self.arguments)


def minimize(items, fails, has_time, report=print, at_once=40):
    """Delta debugging: leave out ever smaller pieces as long as what is left fails. `fails` judges many lists at once."""
    size = max(1, len(items) // 2)
    while has_time():
        report(f"{len(items)} events fail, leaving out {size} at a time")
        pieces = [(start, start + size) for start in range(0, len(items), size)]
        smaller = None
        for group in range(0, len(pieces), at_once):
            tried = [(items[:start] + items[end:], start, end) for start, end in pieces[group : group + at_once]]
            tried = [piece for piece in tried if piece[0]]
            if not tried or not has_time():
                break
            verdicts = fails([candidate for candidate, _, _ in tried])
            fine = [piece for piece, verdict in zip(tried, verdicts) if verdict]
            if fine:
                gone = {index for _, start, end in fine for index in range(start, end)}
                together = [item for index, item in enumerate(items) if index not in gone]
                smaller = together if len(fine) > 1 and together and fails([together])[0] else fine[0][0]
                break
        if smaller is not None:
            items = smaller
            size = min(size, max(1, len(items) // 2))
        elif size == 1:
            break
        else:
            size //= 2
    return items


def kinds_of(text):
    """Of "consume,grant"; all where there is none."""
    kinds = tuple(re.findall(r"[a-z-]+", text or "")) or KINDS
    assert set(kinds) <= set(KINDS), f"kinds are {', '.join(KINDS)}"
    return kinds
