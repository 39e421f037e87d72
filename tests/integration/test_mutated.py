"""Random and mutated records through the real worker: each is answered exactly once.

Method: tests/fuzz/stream.py, the short form of the run on record (tests/fuzz/RESULTS.md). Its memory is measured at rest;
the first half of the records warms it up.
"""

import os

from fuzz.stream import MIB, run

GROWTH_MAX = 4 * MIB  # five runs of 100,000 records grew by 0.1 to 0.8 MiB, about 70
RECORDS = int(os.environ.get("DRAWDOWN_MUTATED_RECORDS", 100_000))


def test_ledger_outcomes_and_dead_letters_are_the_inputs(install, chance):
    installation = install({"outputs.format": "json"})
    report = run(installation, RECORDS, chance.randrange(2**32))
    print(report)
    assert report.inputs == report.ledger + report.outcomes + report.dead_letters == RECORDS + report.grants
    assert min(report.ledger, report.outcomes, report.dead_letters) > RECORDS // 50
    assert report.growth < GROWTH_MAX
    installation.books.check()
