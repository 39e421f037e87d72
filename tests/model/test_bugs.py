"""Is the referee worth anything? Each deliberate bug of bugs.py must make a difference that is seen.

Method: bugs/NAME.jsonl is a small history that told the bug from the sound program; it is replayed with a worker that has
the bug, where it must differ, and all of them with a sound one, where nothing may. $DRAWDOWN_MODEL_FIND=NAME,... (or all)
looks for a history anew, among random ones, and writes it down.
"""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
import psycopg
from model import bugs
from model.compare import find_differences
from model.driver import Drive, Shrinker
from model.histories import Run, make_run
from support.servers import ROOT

HISTORIES = Path(__file__).parent / "bugs"
FIND = os.environ.get("DRAWDOWN_MODEL_FIND", "").split(",")
EVENTS, TRIES, SHRINK_SECONDS = 1500, 6, 90

# The same for all, so that a sound worker can take them all at once.
OPTIONS = {
    "dedupe.window": "36h",
    "dedupe.generation": "36h",
    "grants.open.max": 6,
    "holds.open.max": 4,
    "currencies.open": "no",
    "outputs.format": "json",
    "outcomes": "all",
}
CURRENCIES = {
    "ai-tokens": {
        "expiry_grace": 3600,
        "over_limit": "allow",
        "overdraft_limit": None,
        "thresholds": [{"amount": 10, "hysteresis": 50}, {"percent": 20}],
    },
    "gpu-hours": {"expiry_grace": 0, "over_limit": "cap", "overdraft_limit": None, "thresholds": [{"percent": 50}]},
    "seats": {"expiry_grace": 60, "over_limit": "allow", "overdraft_limit": "25.5", "thresholds": []},
    "euro": {"expiry_grace": 86400, "over_limit": "reject", "overdraft_limit": None, "thresholds": [{"amount": 5}]},
}


@pytest.fixture(scope="session")
def programs():
    return bugs.build(ROOT / "build/bugs", bugs=bugs.BUGS)


DROP_CHECKS = """
    select format('alter table drawdown.%I drop constraint %I', r.relname, c.conname)
    from pg_constraint c join pg_class r on r.oid = c.conrelid
    where c.contype = 'c' and r.relnamespace = 'drawdown'::regnamespace"""


def differences(install, run, program):
    """What the referee has to say: the constraints of the tables, which know some of the bugs too, are dropped."""
    drive = Drive(install, run, random.Random(0), program=program)
    try:
        with psycopg.connect(drive.installation.owner_url) as owner:
            for (statement,) in owner.execute(DROP_CHECKS).fetchall():
                owner.execute(statement)
        drive.perform(disturbed=False)
        return find_differences(drive.installation, drive.referee(), order_is_certain=True)
    finally:
        drive.forget()


def find(install, bug, program):
    """A small history that shows the bug."""
    for seed in range(TRIES):
        run = make_run(random.Random(f"{bug.name}-{seed}"), EVENTS, currencies=CURRENCIES, options=OPTIONS)
        run.inputs = [replace(item, portion=0) for item in run.inputs]
        found = differences(install, run, program)
        if found:
            return Shrinker(install, run, SHRINK_SECONDS, program=program).shrink(found[0].customer)
    raise AssertionError(f"{TRIES} histories of {EVENTS} events did not show it: {bug.what}")


@pytest.mark.timeout(0)
@pytest.mark.parametrize("bug", bugs.BUGS, ids=lambda bug: bug.name)
def test_the_bug_is_seen(install, programs, bug):
    path = HISTORIES / f"{bug.name}.jsonl"
    if bug.name in FIND or "all" in FIND:
        HISTORIES.mkdir(exist_ok=True)
        find(install, bug, programs[bug.name]).write(path)
    run = Run.read(path)
    found = differences(install, run, programs[bug.name])
    assert found, f"not seen: {bug.what}"
    print(f"{bug.name}: {found[0]}")


def test_without_a_bug_none_of_these_histories_shows_a_difference(install):
    inputs = []
    for bug in bugs.BUGS:
        run = Run.read(HISTORIES / f"{bug.name}.jsonl")
        assert (run.currencies, run.options) == (CURRENCIES, OPTIONS)
        names = {name: f"{bug.name}-{number}" for number, name in enumerate({item.customer for item in run.inputs})}
        inputs += [item.renamed(names[item.customer]) for item in run.inputs]
    inputs.sort(key=lambda item: item.at)
    drive = Drive(install, Run(CURRENCIES, OPTIONS, inputs), random.Random(0))
    drive.perform(disturbed=False)
    drive.check()
