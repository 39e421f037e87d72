"""Dead letters: listed, shown and replayed, each once.

Method: records that are in error, and a record whose own timestamp was the only thing wrong with it, which a replay
mends; the command line beside a running worker, held against what the independent client reads.
"""

import base64
import json
import os
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone

import pytest
from confluent_kafka import KafkaException, Producer
from support.client import SINGLE_OBJECT, encode_json
from support.events import CURRENCY, consume, grant
from support.registry import confluent, scripted
from support.wait import wait_until
from support.worker import DRAWDOWN, ENVIRONMENT

REFUSED, FAILED, FENCED = 1, 2, 6  # exit codes
YEAR_10000 = 253402300800000  # milliseconds
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MISSING = b'{"customerId":"acme","currencyId":"ai-tokens","idempotencyKey":"m"}'
NOTES = [("NUL", b"a\0b"), ("twice", b"1"), ("twice", b"2"), ("nothing", None), ("traceparent", TRACEPARENT)]


def parse(text):
    return [json.loads(line) for line in text.splitlines()]


def listed(drawdown, *arguments):
    return parse(drawdown.run("dead-letters", "list", "--limit", "1000000", "--json", *arguments).stdout)


def replay(drawdown, *arguments):
    """What `replay --execute` says it did."""
    return parse(drawdown.run("dead-letters", "replay", "--execute", "--json", *arguments).stdout)[0]


def names(letters):
    return [f"{letter['partition']}/{letter['offset']}" for letter in letters]


def ends(drawdown):
    return {topic: drawdown.client.ends(topic) for topic in ("usage", "commands", "ledger", "outcomes", "dead-letters")}


def replayed_from(record):
    return record.headers.get("drawdown.replayed-from", b"").decode()


def produce(drawdown, topic, *values, key="acme", **how):
    for value in values:
        drawdown.client.produce(topic, value, key=key, **how)
    drawdown.wait_until_handled()


@pytest.fixture
def running(drawdown):
    drawdown.worker().start()
    return drawdown


@pytest.fixture
def idle(drawdown):
    """No worker runs; leaders of topics just made are waited for."""

    def answers():
        with suppress(KafkaException):
            return ends(drawdown)

    wait_until(answers, "leaders of the topics")
    return drawdown


@pytest.fixture
def mending(install):
    """Producers give the timestamps: one past the year 9999 makes a letter of an event that nothing else is wrong with.
    A replay gives it a timestamp of its own."""
    drawdown = install({"inputs.timestamps": "trusted"})
    drawdown.client.set_topic("usage", message_timestamp_after_max_ms=str(2**63 - 1))
    drawdown.worker().start()
    produce(drawdown, "commands", encode_json(grant("acme", 100)))
    return drawdown


def test_letters_are_listed_by_reason_place_time_and_key(running):
    begun = datetime.now(timezone.utc) - timedelta(seconds=1)
    produce(running, "usage", MISSING, b"{", partition=2)
    produce(running, "commands", None, SINGLE_OBJECT + bytes(8), key="zeta", partition=1)
    letters = listed(running)
    assert sorted((letter["reason"], letter["state"]) for letter in letters) == [
        ("empty", "unreadable"),
        ("malformed_json", "unreadable"),
        ("missing_field", "unreadable"),
        ("unknown_schema", "undecided"),
    ]
    (letter,) = listed(running, "--reason", "missing_field")
    (record,) = [r for r in running.client.read("dead-letters") if r.headers["drawdown.reason"] == b"missing_field"]
    assert letter == {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": letter["timestamp"],
        "reason": "missing_field",
        "error": "amount is missing",
        "state": "unreadable",
        "source": {
            "topic": f"{running.prefix}usage",
            "partition": 2,
            "offset": 0,
            "timestamp": record.headers["drawdown.timestamp"].decode(),
        },
        "replayedFrom": None,
        "key": "acme",
        "valueSize": len(MISSING),
    }

    def reasons(*arguments):
        return {letter["reason"] for letter in listed(running, *arguments)}

    assert reasons("--reason", "empty", "--reason", "malformed_json") == {"empty", "malformed_json"}
    assert reasons("--topic", "usage") == {"missing_field", "malformed_json"}
    assert reasons("--topic", f"{running.prefix}commands", "--partition", "1") == {"empty", "unknown_schema"}
    assert reasons("--topic", "usage", "--from-offset", "1") == {"malformed_json"}
    assert reasons("--topic", "usage", "--from-offset", "0", "--to-offset", "0") == {"missing_field"}
    assert reasons("--key", "zeta", "--state", "undecided") == {"unknown_schema"}
    assert reasons("--letter", names([letter])[0]) == {"missing_field"}
    assert reasons("--since", begun.isoformat()) == {*reasons()} and not reasons("--until", begun.isoformat())
    assert not reasons("--partition", "0")

    some = running.run("dead-letters", "list", "--limit", "3")
    assert len(some.stdout.splitlines()) == 4
    assert some.stderr == "1 more; --limit N lists more of them, --summary counts them\n"
    headings = some.stdout.splitlines()[0].split("  ")
    assert [heading.strip() for heading in headings if heading] == [
        *("LETTER", "RECORD OF", "STOOD AT", "REASON", "STATE", "KEY", "ERROR")
    ]


def test_the_summary_and_the_metrics_count_letters_by_reason(running):
    produce(running, "usage", MISSING, MISSING, b"{", None)
    running.wait_until_handled()
    (summary,) = parse(running.run("dead-letters", "list", "--summary", "--json").stdout)
    counts = {row["reason"]: (row["letters"], row["unreadable"], row["replayed"]) for row in summary["reasons"]}
    assert counts == {"missing_field": (2, 2, 0), "malformed_json": (1, 1, 0), "empty": (1, 1, 0)}
    told = {
        name: value for name, value in running.workers[0].metrics().items() if "dead_letters_total" in name and value
    }
    assert told == {f'drawdown_dead_letters_total{{reason="{name}"}}': count for name, (count, _, _) in counts.items()}
    words = running.run("dead-letters", "list", "--summary").stdout.splitlines()
    assert words[0].split() == (
        "REASON LETTERS READABLE UNDECIDED UNREADABLE UNSENDABLE TOO OLD REPLAYED OLDEST NEWEST".split()
    )
    assert "missing_field 2 0 0 2 0 0 0".split() in [line.split()[:8] for line in words]


def test_a_letter_is_shown_byte_by_byte_and_as_it_is_read_now(running):
    value = b'{"a\0b":"' + bytes(range(256)) + b'"}'
    produce(running, "usage", value, headers=NOTES)
    place = names(listed(running))[0]
    (shown,) = parse(running.run("dead-letters", "show", place, "--json").stdout)
    assert base64.b64decode(shown["value"]["base64"]) == value
    assert [(header["name"], header["value"]) for header in shown["headers"]] == [
        ("NUL", {"base64": base64.b64encode(b"a\0b").decode()}),
        ("twice", "1"),
        ("twice", "2"),
        ("nothing", None),
        ("traceparent", TRACEPARENT.decode()),
    ]
    assert (shown["reason"], shown["defect"], shown["kind"], shown["decoded"]) == (
        *("malformed_json", "malformed_json", None, None),
    )
    lines = running.run("dead-letters", "show", place).stdout.splitlines()
    assert "reason   malformed_json" in lines and f"value    {len(value)} bytes" in lines
    assert "state    unreadable: malformed_json, the value is not UTF-8, or has a NUL" in lines
    assert "  00000000  7b 22 61 00 62 22 3a 22  00 01 02 03 04 05 06 07  |{\"a.b\":\"........|" in lines
    assert "  00000100  f8 f9 fa fb fc fd fe ff  22 7d                    |........\"}|" in lines
    assert ["  name   NUL", "  value  (3 bytes) 61 00 62"] == lines[lines.index("headers  5") + 1 :][:2]
    raw = subprocess.run(
        [DRAWDOWN, "dead-letters", "show", place, "--raw", "--config", running.config],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=60,
    )
    assert (raw.returncode, raw.stdout) == (0, value)


def test_a_letter_that_is_not_there_is_said_so(running):
    absent = running.run("dead-letters", "show", "3/7", check=False)
    assert absent.returncode == REFUSED
    assert f"there is no letter 3/7 in {running.prefix}dead-letters" in absent.stderr
    wrong = running.run("dead-letters", "show", "seven", check=False)
    assert wrong.returncode == REFUSED and "named by partition and offset, such as 3/42, not 'seven'" in wrong.stderr


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(mending):
    produce(mending, "usage", encode_json(consume("acme", 1, "late")), timestamp=YEAR_10000)
    produce(mending, "usage", MISSING, SINGLE_OBJECT + bytes(8))
    before = ends(mending)
    words = mending.run("dead-letters", "replay").stdout
    assert words.splitlines()[-1] == (
        "would replay 2 letters, 1 of which can be understood by now; --execute does it"
    )
    (said,) = parse(mending.run("dead-letters", "replay", "--unreadable", "--json").stdout)
    assert (said["executed"], said["chosen"], said["replayed"]) == (False, 3, 0)
    states = ("readable", "undecided", "unreadable")
    assert {row["reason"]: [row[state] for state in states] for row in said["reasons"]} == {
        "invalid_timestamp": [1, 0, 0],
        "unknown_schema": [0, 1, 0],
        "missing_field": [0, 0, 1],
    }
    assert ends(mending) == before


def test_a_letter_that_can_be_read_by_now_is_applied_once_however_often_it_is_replayed(mending):
    event = consume("acme", 3, "late", createdAt=datetime.now(timezone.utc).isoformat())
    produce(mending, "usage", encode_json(event), timestamp=YEAR_10000, headers=[("traceparent", TRACEPARENT)])
    assert mending.books.balance("acme", CURRENCY) == 100
    (letter,) = listed(mending)
    assert (letter["reason"], letter["state"]) == ("invalid_timestamp", "readable")
    assert replay(mending)["replayed"] == 1
    mending.wait_for_balance("acme", 97)
    (entry,) = [record for record in mending.client.read("ledger") if record.value["idempotencyKey"] == "late"]
    assert entry.value["eventTime"] == datetime.fromisoformat(event["createdAt"])
    assert entry.header_list == [("traceparent", TRACEPARENT)]

    assert [letter["state"] for letter in listed(mending)] == ["replayed"]
    before = ends(mending)
    assert replay(mending)["replayed"] == 0
    assert ends(mending) == before
    assert replay(mending, "--again")["replayed"] == 1
    mending.wait_until_handled()
    (outcome,) = [record.value for record in mending.client.read("outcomes")]
    assert (outcome["idempotencyKey"], outcome["outcome"]) == ("late", "duplicate")
    assert mending.books.balance("acme", CURRENCY) == 97
    mending.check_books()


def test_a_letter_whose_event_came_again_meanwhile_is_a_duplicate(mending):
    late = consume("acme", 5, "late")
    produce(mending, "usage", encode_json(late), timestamp=YEAR_10000)
    produce(mending, "usage", encode_json(late))
    assert mending.books.balance("acme", CURRENCY) == 95
    assert replay(mending)["replayed"] == 1
    mending.wait_until_handled()
    assert [record.value["outcome"] for record in mending.client.read("outcomes")] == ["duplicate"]
    assert mending.books.balance("acme", CURRENCY) == 95
    mending.check_books()


def test_a_letter_that_is_still_in_error_comes_back_and_names_its_origin(running):
    produce(running, "usage", MISSING)
    (first,) = listed(running)
    assert replay(running)["replayed"] == 0, "those that would be letters again stay where they are"
    assert replay(running, "--unreadable")["replayed"] == 1
    running.wait_until_handled()
    again = [letter for letter in listed(running) if letter["state"] != "replayed"]
    origin = f"{running.prefix}dead-letters/{names([first])[0]}"
    assert [letter["replayedFrom"] for letter in again] == [origin]

    assert replay(running, "--unreadable")["replayed"] == 1
    running.wait_until_handled()
    (last,) = listed(running, "--state", "unreadable")
    assert last["replayedFrom"] == f"{running.prefix}dead-letters/{names(again)[0]}"
    (shown,) = parse(running.run("dead-letters", "show", names([last])[0], "--json").stdout)
    assert shown["headers"] == [] and shown["firstTimestamp"] == first["source"]["timestamp"]
    assert shown["value"] == MISSING.decode()
    running.audit()


def test_bytes_key_and_headers_come_back_as_they_were(running):
    values = [b'{"a\0', None, b"", SINGLE_OBJECT + bytes(range(256)) * 40]
    produce(running, "usage", *values, headers=NOTES, partition=3)
    drawdown_like = [("drawdown.reason", b"mine"), ("drawdown.cut", b"5")]
    produce(running, "commands", b"[", key=b"\0key", headers=drawdown_like, partition=1)
    assert replay(running, "--unreadable")["replayed"] == 5
    running.wait_until_handled()
    for topic, partition, count in (("usage", 3, 4), ("commands", 1, 1)):
        records = running.client.read(topic)
        came, went = records[:count], records[count:]
        assert {record.partition for record in records} == {partition}
        sent = [(record.key, record.raw, record.header_list) for record in came]
        assert sorted([(r.key, r.raw, r.header_list[:-2]) for r in went], key=str) == sorted(sent, key=str)
        for record in went:
            assert [name for name, _ in record.header_list[-2:]] == [
                *("drawdown.replayed-from", "drawdown.first-timestamp")
            ]


def test_only_what_is_chosen_is_replayed_and_to_where_it_is_told(running):
    produce(running, "usage", MISSING, b"{", b"[")
    (chosen,) = [letter for letter in listed(running) if letter["source"]["offset"] == 1]
    assert replay(running, "--unreadable", "--letter", names([chosen])[0], "--to", "commands")["replayed"] == 1
    running.wait_until_handled()
    (record,) = running.client.read("commands")
    assert (record.raw, record.partition) == (b"{", chosen["source"]["partition"])
    assert sorted(letter["state"] for letter in listed(running)) == ["replayed", *["unreadable"] * 3]
    refused = running.run("dead-letters", "replay", "--to", f"{running.prefix}ledger", check=False)
    assert refused.returncode == REFUSED
    assert f"--to names {running.prefix}ledger, which is an output" in refused.stderr


def test_what_was_first_tried_before_the_window_is_not_replayed_unasked(running):
    produce(running, "usage", MISSING, headers=[("drawdown.first-timestamp", b"2020-01-02T03:04:05Z")])
    assert [letter["state"] for letter in listed(running)] == ["too_old"]
    assert replay(running, "--unreadable")["replayed"] == 0
    assert replay(running, "--unreadable", "--too-old")["replayed"] == 1
    running.wait_until_handled()
    assert sorted(letter["state"] for letter in listed(running)) == ["replayed", "too_old"]


def test_what_was_cut_or_has_no_topic_is_never_sent(running):
    """Written as a worker would: a record of more than a mebibyte, and one of an input that was renamed."""
    place = {"partition": b"0", "offset": b"7", "timestamp": b"2026-01-02T03:04:05Z"}
    for topic, own in ((f"{running.prefix}usage", [("drawdown.cut", b"2000000")]), ("old.usage", [])):
        headers = {"reason": b"too_large", "error": b"too long", "topic": topic.encode()} | place
        headers = own + [(f"drawdown.{name}", value) for name, value in headers.items()]
        running.client.produce("dead-letters", None, key="acme", headers=headers)
    running.client.flush()
    assert [letter["state"] for letter in listed(running)] == ["unsendable"] * 2
    assert replay(running, "--unreadable", "--too-old")["replayed"] == 0
    (cut,) = names(listed(running, "--topic", "usage"))
    lines = running.run("dead-letters", "show", cut).stdout.splitlines()
    assert "state    unsendable: the record's bytes, 2000000 in number, stand at its source only" in lines
    raw = running.run("dead-letters", "show", cut, "--raw", check=False)
    assert raw.returncode == REFUSED and "the letter is cut: its bytes stand at its source only" in raw.stderr


def came_back(drawdown, topic="usage"):
    """How often each letter stands in the input again, read committed."""
    counts = {}
    for record in drawdown.client.read(topic):
        if replayed_from(record):
            counts[replayed_from(record)] = counts.get(replayed_from(record), 0) + 1
    return counts


def write_letter(drawdown, value, partition, source=0, reason="missing_field", age=timedelta()):
    """As a worker would; its place."""
    timestamp = (datetime.now(timezone.utc) - age).isoformat().replace("+00:00", "Z")
    origin = {"topic": f"{drawdown.prefix}usage", "partition": f"{source}", "offset": "0", "timestamp": timestamp}
    headers = {"reason": reason, "error": "amount is missing"} | origin
    headers = [(f"drawdown.{name}", text.encode()) for name, text in headers.items()]
    offset = drawdown.client.ends("dead-letters")[partition]
    drawdown.client.produce("dead-letters", value, key="acme", headers=headers, partition=partition)
    drawdown.client.flush()
    return f"{drawdown.prefix}dead-letters/{partition}/{offset}"


def transactional(drawdown, name):
    producer = Producer({"bootstrap.servers": drawdown.client.bootstrap, "transactional.id": name})
    producer.init_transactions(60)
    return producer


@contextmanager
def walk_held(drawdown, partition):
    """Within, whoever goes through the dead letters comes as far as this partition and waits there."""
    producer = transactional(drawdown, f"{drawdown.prefix}holder")
    producer.begin_transaction()
    producer.produce(f"{drawdown.prefix}dead-letters", value=b"", partition=partition)
    assert producer.flush(60) == 0
    yield
    producer.abort_transaction(60)


def start_replay(drawdown, *arguments):
    command = [DRAWDOWN, "dead-letters", "replay", "--unreadable", "--execute", "--json", "--config", drawdown.config]
    return subprocess.Popen([*command, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_of(process):
    """Exit code, and what it said on stderr beside the client library's log."""
    lines = process.communicate(timeout=60)[1].splitlines()
    return process.returncode, [line for line in lines if not line.startswith("ts=")]


def test_a_replay_chooses_by_reason_time_and_partition(idle):
    old, other = timedelta(hours=2), {"reason": "malformed_json"}
    a = write_letter(idle, MISSING, 0, age=old)
    b = write_letter(idle, MISSING, 1, source=1, age=old, **other)
    c = write_letter(idle, MISSING, 1, source=1)
    d = write_letter(idle, MISSING, 0, **other)
    hour_ago = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()
    chosen = {
        ("--reason", "missing_field", "--since", hour_ago): c,
        ("--reason", "malformed_json", "--partition", "1"): b,
        ("--partition", "0", "--until", hour_ago): a,
        ("--partition", "0"): d,  # but not again what was replayed
    }
    expected = {}
    for arguments, letter in chosen.items():
        assert replay(idle, "--unreadable", *arguments)["replayed"] == 1
        expected[letter] = 1
        assert came_back(idle) == expected, arguments


def test_a_lone_letter_is_committed_while_others_are_looked_for_and_a_fenced_replay_says_who_began(idle):
    first, second = write_letter(idle, MISSING, 0), write_letter(idle, MISSING, 2)
    with walk_held(idle, 1):
        fenced = start_replay(idle)
        wait_until(lambda: came_back(idle) == {first: 1}, "the lone letter to be committed", seconds=20)
        assert fenced.poll() is None, "it goes on looking"
        transactional(idle, f"{idle.group}-dead-letters")
    told = ["replayed 1 letters before", "drawdown dead-letters replay: could not commit: another replay has begun"]
    assert end_of(fenced) == (FENCED, told)
    assert replay(idle, "--unreadable")["replayed"] == 1
    assert came_back(idle) == {first: 1, second: 1}


def test_a_replay_whose_registry_is_away_holds_nothing_open_and_is_finished_by_another(idle):
    asked, answered = threading.Event(), threading.Event()

    def wait_and_fail(_handler):
        asked.set()
        answered.wait(60)
        return {"error_code": 50001, "message": "away"}

    first = write_letter(idle, MISSING, 0)
    second = write_letter(idle, confluent(7, b""), 0)
    third = write_letter(idle, MISSING, 0)
    with scripted({"/schemas/ids/7": [(503, wait_and_fail)]}) as registry:
        away = ["--set", f"registry.url={registry.url}"]
        killed = start_replay(idle, *away, "--set", "registry.timeout=60s")
        assert asked.wait(60)
        assert came_back(idle) == {first: 1}, "committed before the registry is asked"
        killed.kill()
        killed.communicate()
        answered.set()
    done = idle.run("dead-letters", "replay", "--unreadable", "--execute", "--json", *away)
    name = registry.url.removeprefix("http://")
    assert done.stderr.startswith(f"drawdown: records of some schemas cannot be read: registry {name}: ")
    assert parse(done.stdout)[0]["replayed"] == 2
    assert came_back(idle) == {first: 1, second: 1, third: 1}
    assert replay(idle, "--unreadable")["replayed"] == 0
    assert {letter["state"] for letter in listed(idle)} == {"replayed"}


def test_what_its_topic_does_not_take_is_left_and_all_others_go(idle):
    """Together the small ones are more than the topic takes as one batch, too."""
    idle.client.set_topic("usage", max_message_bytes="20000")
    for _ in range(200):
        write_letter(idle, MISSING.ljust(500), 0)
    write_letter(idle, MISSING.ljust(20_000), 0)
    said = replay(idle, "--unreadable")
    assert (said["replayed"], said["reasons"][0]["unsendable"]) == (200, 1)
    assert len(came_back(idle)) == 200


@pytest.mark.skipif("DRAWDOWN_SLOW" not in os.environ, reason="waits 20 s for the broker; DRAWDOWN_SLOW=1 runs it")
def test_a_transaction_that_the_broker_ended_is_no_rival(idle):
    letter, before = write_letter(idle, MISSING, 0), sum(idle.client.ends("usage").values())
    with walk_held(idle, 1):
        stopped = start_replay(idle)
        wait_until(lambda: sum(idle.client.ends("usage").values()) > before, "its first record", pause=0.001)
        stopped.send_signal(signal.SIGSTOP)
        assert came_back(idle) == {}, "the reader waited for the transaction's end"
        stopped.send_signal(signal.SIGCONT)
        code, (*_progress, told, hint) = end_of(stopped)
    assert code == FAILED and told.startswith("drawdown dead-letters replay: could not commit: the transaction was open for ")
    assert told.endswith(" s, longer than its time-out") and hint == "hint: run it again: what was replayed is known"
    assert replay(idle, "--unreadable")["replayed"] == 1
    assert came_back(idle) == {letter: 1}


def test_ten_thousand_letters_are_replayed_once_each_by_replays_that_are_killed_and_two_at_once(running, chance):
    for number in range(10_000):
        running.client.produce("usage", MISSING, key=f"c{number}")
    running.wait_until_handled()
    letters = listed(running)
    assert len(letters) == 10_000
    places = {f"{running.prefix}dead-letters/{name}" for name in names(letters)}
    command = [DRAWDOWN, "dead-letters", "replay", "--unreadable", "--execute", "--config", running.config]
    until = max(letter["source"]["timestamp"] for letter in letters)
    until = (datetime.fromisoformat(until) + timedelta(milliseconds=1)).isoformat()
    command += ["--until", until]  # not those that come back

    running.workers[0].terminate()
    for at in [1, *(chance.randrange(2_000) for _ in range(4))]:  # records of it, markers included
        before = sum(running.client.ends("usage").values())
        killed = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        wait_until(lambda: sum(running.client.ends("usage").values()) >= before + at, f"{at} records", pause=0.001)
        assert killed.poll() is None, "it has more to do"
        killed.kill()
        killed.wait()
    two = [subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL) for _ in range(2)]
    codes = {process.wait(100) for process in two}
    assert codes <= {0, FENCED} and 0 in codes
    assert came_back(running) == dict.fromkeys(places, 1)

    running.worker("b").start()
    running.wait_until_handled()
    counted = running.workers[1].metrics()['drawdown_dead_letters_total{reason="missing_field"}']
    assert counted == 10_000
    assert len(listed(running, "--state", "unreadable")) == 10_000 and len(listed(running)) == 20_000
    running.audit()
