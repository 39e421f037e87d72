"""The worked examples of proto/README.md, to the letter.

Method: its blocks run in their order on a fresh installation. `console`: what follows "$ " goes to a shell, and prints
what stands below it. `sql`: goes to psql, which prints what stands in the `text` block behind it. `json` with inputs:
each line is produced and must be answered; the other `json` blocks are golden files. In the document "..." stands for
what varies (times, offsets); runs of spaces and of rulers count as one.
"""

import json
import os
import re
import subprocess

import pytest
from support.servers import ROOT
from support.worker import DRAWDOWN, Installation

DOCUMENT = ROOT / "proto/README.md"
USAGE = {"consume", "reserve", "settle", "extend", "release"}
COMMANDS = {"grant", "void", "confirm-payment", "reverse", "configure", "advance"}


def blocks():
    """(line number, language, text) of every fenced block."""
    found, begun = [], None
    for number, line in enumerate(DOCUMENT.read_text().splitlines(), 1):
        if begun is None and line.startswith("```"):
            begun = (number, line[3:], [])
        elif line == "```":
            found.append((begun[0], begun[1], "\n".join(begun[2])))
            begun = None
        elif begun is not None:
            begun[2].append(line)
    assert begun is None, f"line {begun[0]}: a block without an end"
    return found


def _squeeze(line):
    return re.sub("-{3,}", "---", re.sub(" +", " ", line.strip()))


def _pattern(line):
    """A line of the document as a regular expression, "..." for anything."""
    return ".*".join(re.escape(part) for part in _squeeze(line).split("..."))


def check(place, printed, expected):
    actual = [_squeeze(line) for line in printed.strip("\n").splitlines()]
    patterns = [_pattern(line) for line in expected.strip("\n").splitlines()]
    matches = len(actual) == len(patterns) and all(map(re.fullmatch, patterns, actual))
    assert matches, f"proto/README.md, {place}: printed\n{printed}\ninstead of\n{expected}"


def commands_of(text):
    """(command, output) of a console block; a command goes on behind a backslash."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, lines = [], part.rstrip("\n").split("\n")
        while not command or command[-1].endswith("\\"):
            command.append(lines.pop(0))
        yield "\n".join(command), "\n".join(lines)


@pytest.fixture
def shell(servers, tmp_path):
    """Runs a command as the document's reader would: a worker is running, the topics have their usual names."""
    installation = Installation(servers, tmp_path, "credits.", {"outputs.format": "json"})
    installation.worker().start()
    environment = os.environ | {
        "DRAWDOWN_CONFIG": str(installation.config),
        "OPERATOR_URL": installation.owner_url,
        "DATABASE_URL": installation.database_url,
        "PATH": f"{os.path.dirname(DRAWDOWN)}:{os.environ['PATH']}",
        "PGTZ": "UTC",
        "PSQLRC": "/dev/null",
    }

    def run(command, input=None):
        done = subprocess.run(
            ["bash", "-c", command], input=input, capture_output=True, text=True, timeout=120, env=environment
        )
        return done.stdout + done.stderr

    run.installation = installation
    yield run
    installation.close()


def kind_of(event):
    return event.get("type", "consume")


def are_inputs(text):
    return all("idempotencyKey" in event and "source" not in event for event in map(json.loads, text.splitlines()))


def submit(installation, line):
    """Produces the line as it stands there and returns its event."""
    event = json.loads(line)
    topic = "usage" if kind_of(event) in USAGE else "commands"
    installation.client.produce(topic, line.encode(), key=event["customerId"])
    installation.wait_for_lag_zero()
    return event


def test_what_the_contract_shows_is_what_happens(shell):
    counts = {"console": 0, "sql": 0, "golden": 0}
    golden = {path.read_text().strip() for path in (ROOT / "proto/golden").glob("*.json")}
    found, events = blocks(), []
    for index, (number, language, text) in enumerate(found):
        place = f"line {number}"
        if language == "console":
            for command, output in commands_of(text):
                check(f"{place}: {command}", shell(command), output)
                counts["console"] += 1
        elif language == "sql":
            assert found[index + 1][1] == "text", f"{place}: no result behind the query"
            check(place, shell('psql -q "$DATABASE_URL"', input=text), found[index + 1][2])
            counts["sql"] += 1
        elif language == "json" and are_inputs(text):
            events += [submit(shell.installation, line) for line in text.splitlines()]
        elif language == "json":
            for line in text.splitlines():
                assert line in golden, f"{place}: no golden file is {line}"
                counts["golden"] += 1
    assert all(counts.values()), counts
    assert {kind_of(event) for event in events} == USAGE | COMMANDS
    client = shell.installation.client
    answers = {
        (record.value["customerId"], record.value["idempotencyKey"]): record.value["outcome"]
        for topic in ("outcomes", "ledger")
        for record in client.read(topic)
    }
    for event in events:
        assert answers[event["customerId"], event["idempotencyKey"]] == "applied", event
    assert not client.read("dead-letters")
    shell.installation.check_books()


def test_every_command_and_view_has_an_example():
    shown = "\n".join(text for _, language, text in blocks() if language in ("console", "sql"))
    help_text = subprocess.run([DRAWDOWN, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z-]+) ", help_text.split("commands:")[1].split("exit codes:")[0], re.MULTILINE)
    others = {"worker", "migrate", "topics", "load", "bench", "config"}  # in the first README, the demo, the reference
    missing = [command for command in commands if command not in others and f"$ drawdown {command} " not in shown]
    views = ("accounts", "grants", "holds", "ledger", "get_credit_entitlement", "balance_as_of")
    missing += [view for view in views if f"drawdown.{view}" not in shown]
    assert not missing
