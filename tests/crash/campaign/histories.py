"""What the load leaves out, because nobody knows how a running worker merges two topics: the histories of model/, produced
while no worker runs, and taken through workers that are killed and stopped."""

import random
from pathlib import Path

from model.driver import Drive
from model.histories import Run, make_run
from support.servers import ROOT
from support.worker import Installation

ON_RECORD = ROOT / "tests/model/bugs"  # a small history for each rule that was once broken on purpose


def on_record():
    """All of them as one; each has customers of its own."""
    inputs = []
    for path in sorted(ON_RECORD.glob("*.jsonl")):
        run = Run.read(path)
        names = {name: f"{path.stem}-{number}" for number, name in enumerate({item.customer for item in run.inputs})}
        inputs += [item.renamed(names[item.customer]) for item in run.inputs]
    return Run(run.currencies, run.options, sorted(inputs, key=lambda item: item.at))


def perform(servers, directory, prefix, program, seed, events_count):
    """Those on record, then so many random events; how many inputs there were. An AssertionError says what is wrong."""
    count = 0
    for number, run in enumerate([on_record(), make_run(random.Random(seed), events_count)][: 2 if events_count else 1]):
        place = Path(directory) / f"history-{number}"
        place.mkdir(parents=True)

        def install(options, place=place, number=number):
            return Installation(servers, place, f"{prefix}history{number}.", options, program=program)

        drive = Drive(install, run, random.Random(f"{seed}/{number}"))
        try:
            drive.perform()
            drive.check()
            (parked,) = drive.installation.books.query("select count(*) from drawdown.parked")[0].values()
            assert parked == 0, f"{parked} records are parked, of customers whose records the database refused"
            count += len(run.inputs)
        finally:
            drive.forget()
    return count
