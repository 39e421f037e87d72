"""Random histories through the real worker, held against the referee record by record.

Method: see histories.py for what is produced, driver.py for how workers come and go meanwhile, compare.py for what is
compared. $DRAWDOWN_MODEL_SEED and $DRAWDOWN_MODEL_EVENTS repeat a run; $DRAWDOWN_MODEL_REPLAY takes one from a file, as a
failing one is left behind; $DRAWDOWN_MODEL_KINDS limits the kinds of events. See tests/README.md.
"""

import os
import random
import time
from pathlib import Path

import pytest
from model.driver import Drive, Shrinker, kinds_of, summary
from model.histories import Run, make_run
from support.servers import ROOT

EVENTS = int(os.environ.get("DRAWDOWN_MODEL_EVENTS", 20000))
SEED = int(os.environ["DRAWDOWN_MODEL_SEED"])  # set by conftest.py where nobody gives one
REPLAY = os.environ.get("DRAWDOWN_MODEL_REPLAY")
KINDS = kinds_of(os.environ.get("DRAWDOWN_MODEL_KINDS"))
RUN_EVENTS = min(50000, max(7000, EVENTS // 20))
RUNS = range(1) if REPLAY else range(max(1, round(EVENTS / RUN_EVENTS)))
SHRINK_SECONDS = float(os.environ.get("DRAWDOWN_MODEL_SHRINK", 120))
FAILED = Path(os.environ.get("DRAWDOWN_MODEL_FAILED", ROOT / "build/model"))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("number", RUNS)
def test_a_real_worker_makes_the_books_that_the_referee_makes(install, number):
    seed = SEED + number
    begin = time.monotonic()
    run = Run.read(REPLAY) if REPLAY else make_run(random.Random(seed), EVENTS // len(RUNS), KINDS)
    print(f"DRAWDOWN_MODEL_SEED={seed} DRAWDOWN_MODEL_EVENTS={len(run.inputs)}, in {run.portions_count} portions,")
    print(f"  {run.options}")
    drive = Drive(install, run, random.Random(seed))
    try:
        drive.perform()
        performed = time.monotonic()
        referee = drive.check()
    except AssertionError as failure:
        keep(install, run, seed, failure)
        raise
    finally:
        drive.forget()
    print(f"  performed in {performed - begin:.1f} s, checked in {time.monotonic() - performed:.1f} s")
    print(f"  {summary(referee)}")
    assert len(referee.answers) == len(run.inputs)


def keep(install, run, seed, failure):
    """Write the run down, and the smallest part of it that fails."""
    FAILED.mkdir(parents=True, exist_ok=True)
    path = FAILED / f"failed-{seed}.jsonl"
    run.write(path)
    print(f"  the whole run: DRAWDOWN_MODEL_REPLAY={path}")
    if SHRINK_SECONDS > 0:
        shrinker = Shrinker(install, run, SHRINK_SECONDS, lambda text: print("  shrinking:", text))
        small = shrinker.shrink(getattr(failure, "customer", None))
        path = FAILED / f"small-{seed}.jsonl"
        small.write(path)
        print(f"  the small run: DRAWDOWN_MODEL_REPLAY={path}")
        for item in small.inputs[:60]:
            print(f"    {item.at} {item.topic:8} {item.format:4} {item.text}")
