"""Is the campaign worth anything? Each deliberate bug of model/bugs.py must end it with a violation.

    tests/crash/campaign/run --bugs '*' --report build/campaign-bugs
"""

import fnmatch
import subprocess
import sys

from model import bugs
from support.servers import ROOT

# A bug of the rules of money shows in the histories, one of a fault's kind with that fault.
KINDS = {bug.name: "failpoint/*" for bug in (*bugs.FAULT_BUGS, *bugs.CAMPAIGN_BUGS)} | {
    "no_fencing": "worker/zombie,worker/stopped-shortly"
}
ANY = "worker/kill,worker/terminate"
CAUGHT = 1  # the campaign's exit code


def find_all(patterns, seed, faults, directory):
    """{name: what the campaign said, or None: not caught}."""
    every = (*bugs.BUGS, *bugs.FAULT_BUGS, *bugs.CAMPAIGN_BUGS)
    chosen = [bug for bug in every if any(fnmatch.fnmatch(bug.name, pattern) for pattern in patterns.split(","))]
    found = {}
    for bug in chosen:
        program = bugs.build(ROOT / "build/bugs", bugs=[bug])[bug.name]
        found[bug.name] = find(bug, program, seed, faults, directory / bug.name)
        print(f"{bug.name}: {found[bug.name] or 'NOT CAUGHT'}", flush=True)
    return found


def find(bug, program, seed, faults, directory):
    directory.mkdir(parents=True, exist_ok=True)
    is_of_rules = bug.name not in KINDS
    faults = 3 if is_of_rules else faults
    command = [sys.executable, "-m", "crash.campaign.main", f"--seed={seed}", f"--faults={faults}", f"--part={faults}"]
    command += ["--histories=0"] if is_of_rules else []
    command += [f"--only={KINDS.get(bug.name, ANY)}", f"--program={program}", f"--report={directory / 'report'}", "--quiet"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    violations = [line for line in done.stdout.splitlines() if line.startswith("**")]
    return violations[0].strip("* ") if done.returncode == CAUGHT and violations else None


def page(found, command):
    lines = [f"`{command}`", "", "| bug | what is wrong | what the campaign says |", "|---|---|---|"]
    what = {bug.name: bug.what for bug in (*bugs.BUGS, *bugs.FAULT_BUGS, *bugs.CAMPAIGN_BUGS)}
    for name, said in found.items():
        lines.append(f"| `{name}` | {what[name]} | {(said or 'not caught')[:160].replace('|', '/')} |")
    return "\n".join(lines) + "\n"
