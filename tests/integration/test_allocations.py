"""A worker at work, with its real source, store and publisher, asks the heap for next to nothing of its own accord.

Method: calls of malloc and its like by the program itself, not by librdkafka and libpq, are counted from outside
(support/count_allocations.c) while a second load goes through. tests/loop/test_allocations.c is stricter, over fakes.
"""

import struct
import subprocess

from support.servers import ROOT
from support.worker import DRAWDOWN

EVENTS = 100_000
PER_BATCH = 2  # may be taken for an array of the batch that is larger than any before


def test_a_worker_takes_no_memory_of_its_own_for_an_event(install, tmp_path):
    library, counter, program = tmp_path / "count.so", tmp_path / "count", tmp_path / "drawdown"
    compiled = ["cc", "-shared", "-fPIC", "-O2", "-o", library, ROOT / "tests/support/count_allocations.c"]
    subprocess.run(compiled, check=True, timeout=60)
    counter.write_bytes(bytes(8))
    program.write_text(f'#!/bin/sh\nLD_PRELOAD={library} ALLOCATIONS_FILE={counter} exec {DRAWDOWN} "$@"\n')
    program.chmod(0o755)

    def taken():
        return struct.unpack("=Q", counter.read_bytes())[0]

    def load(seed, *more):
        drawdown.run("load", "--customers", "5000", "--count", str(EVENTS), "--seed", str(seed), *more)

    def batches():
        return worker.metrics()["drawdown_batches_total"]

    drawdown = install(program=program)
    load(1, "--grant", "1000000")  # a backlog: full batches
    worker = drawdown.worker().start()
    drawdown.wait_for_lag_zero()
    taken_before, batches_before = taken(), batches()
    assert taken_before > 10  # at its start
    load(2)
    drawdown.wait_for_lag_zero()
    taken_since, batches_since = taken() - taken_before, batches() - batches_before
    print(f"{EVENTS} events in {batches_since:.0f} batches: {taken_since} allocations")
    assert taken_since < PER_BATCH * batches_since
    assert taken_since < EVENTS / 100
