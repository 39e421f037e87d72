"""A campaign in its short form: tests/crash/campaign/run."""

import json
import os
import random
import subprocess
import sys

import pytest
from support.servers import ROOT

FAULTS = int(os.environ.get("DRAWDOWN_CAMPAIGN_FAULTS", 60))


@pytest.mark.timeout(900)
def test_no_fault_is_seen_in_the_books_and_none_needs_a_hand(tmp_path):
    seed = int(os.environ.get("DRAWDOWN_SEED", random.randrange(2**32)))
    print(f"DRAWDOWN_SEED={seed}")
    command = [sys.executable, "-m", "crash.campaign.main", f"--seed={seed}", f"--faults={FAULTS}", f"--part={FAULTS}"]
    command += [f"--directory={tmp_path / 'campaign'}", f"--report={tmp_path / 'report'}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout[-20000:])
    assert done.returncode == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["violation"] is None
    assert report["faults"] + report["not come about"] >= FAULTS and report["faults"] >= FAULTS * 0.8
    assert len(report["parts"]) == 1 and report["entries"] > 0, "the books were audited"
