"""What operators rely on: signals, health, metrics, lag, one schema for all.

Method: the real process, asked and signalled from outside; where a point in its work matters, it is held there by a
lock in the database.
"""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request

import psycopg
from support.events import consume, grant
from support.faults import ledger_locked, wait_for_blocked_lanes
from support.wait import wait_until
from support.worker import DRAWDOWN, free_port


def produce_backlog(drawdown, count, customers=20):
    for number in range(customers):
        drawdown.client.produce("commands", grant(f"customer-{number}", 100))
    drawdown.client.flush()
    for number in range(count):
        drawdown.client.produce("usage", consume(f"customer-{number % customers}", "0.125"))
    drawdown.client.flush()


def wait_for_stopping(worker):
    wait_until(lambda: 'drawdown_state{state="stopping"} 1' in worker.get("/metrics")[1], "the worker to be stopping")


def test_sigterm_finishes_what_is_in_hand_publishes_it_and_leaves(drawdown):
    worker = drawdown.worker(options={"batch.records.max": 50, "database.lock.timeout": "25s"}).start()
    with ledger_locked(drawdown):
        produce_backlog(drawdown, 2000)
        wait_for_blocked_lanes(drawdown)
        worker.process.terminate()
        wait_for_stopping(worker)
    assert worker.wait() == 0
    assert 0 < drawdown.books.count() < 2020
    drawdown.check_books()  # all that is recorded is published: nothing is left for a recovery
    assert "event=worker.stopped" in worker.log_text()

    other = drawdown.worker("b").start()
    drawdown.wait_until_counted()
    assert other.metrics()["drawdown_ledger_entries_recalled_total"] == 0
    drawdown.audit()


def test_a_second_sigterm_abandons_what_is_in_hand_and_loses_nothing(drawdown):
    worker = drawdown.worker(options={"database.lock.timeout": "25s"}).start()
    with ledger_locked(drawdown):
        produce_backlog(drawdown, 100)
        wait_for_blocked_lanes(drawdown)
        worker.process.terminate()
        wait_for_stopping(worker)
        assert worker.process.poll() is None, "the first one waits for the batch"
        assert worker.terminate(15) == 0
    assert drawdown.books.count() == 0
    worker.start()
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_sigint_is_as_good_as_sigterm(drawdown):
    worker = drawdown.worker().start()
    worker.process.send_signal(signal.SIGINT)
    assert worker.wait() == 0


SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)')


def parse_metrics(text):
    """{(name, labels): value}; insists on what the text format asks for."""
    assert text.endswith("\n")
    types, samples, family = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in types, f"{family} is in two places"
        elif line.startswith("# TYPE "):
            assert line.split()[2] == family
            types[family] = line.split()[3]
            assert types[family] in ("counter", "gauge", "histogram")
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"no sample: {line!r}"
            name, labels, value = match.groups()
            suffixes = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
            assert name in {family + suffix for suffix in suffixes}, f"{name} stands under {family}"
            assert types[family] != "counter" or name.endswith("_total")
            assert (name, labels) not in samples, f"{line} is there twice"
            samples[name, labels] = float(value)
    return samples


def test_metrics_can_be_parsed_and_count_what_was_done(drawdown):
    worker = drawdown.worker().start()
    produce_backlog(drawdown, 200)
    drawdown.client.produce("usage", b"not JSON")
    drawdown.wait_until_counted()
    samples = parse_metrics(worker.get("/metrics")[1])
    assert samples["drawdown_inputs_total", 'kind="grant",outcome="applied"'] == 20
    assert samples["drawdown_inputs_total", 'kind="consume",outcome="applied"'] == 200
    assert samples["drawdown_inputs_total", 'kind="unreadable",outcome="dead_lettered"'] == 1
    assert samples["drawdown_ledger_entries_total", None] == 220
    assert samples["drawdown_producers_created_total", None] == 1
    assert samples["drawdown_batch_records_sum", None] == 221
    for stage in ("decode", "lock", "look_up", "resolve", "settle", "commit", "encode", "publish"):
        buckets = {
            float("inf") if "+Inf" in labels else float(labels.split('le="')[1][:-1]): value
            for (name, labels), value in samples.items()
            if name == "drawdown_stage_duration_seconds_bucket" and f'stage="{stage}"' in labels
        }
        values = [buckets[bound] for bound in sorted(buckets)]
        count = samples["drawdown_stage_duration_seconds_count", f'stage="{stage}"']
        assert values == sorted(values) and values[-1] == count > 0, stage
        assert samples["drawdown_stage_duration_seconds_sum", f'stage="{stage}"'] > 0, stage
    assert samples["process_resident_memory_bytes", None] > 1 << 20


def test_lag_is_what_is_still_to_be_handled(drawdown):
    worker = drawdown.worker(options={"batch.records.max": 1, "database.lock.timeout": "25s"}).start()

    def lag():
        samples = parse_metrics(worker.get("/metrics")[1])
        by_partition = {labels: value for (name, labels), value in samples.items() if name == "drawdown_lag_records"}
        return sum(by_partition.values()) if len(by_partition) == 8 else None

    wait_until(lambda: lag() == 0, "no lag")
    with ledger_locked(drawdown):
        produce_backlog(drawdown, 25, customers=5)
        wait_for_blocked_lanes(drawdown)
        wait_until(lambda: lag() == 30, "a lag of all that is not published")
    wait_until(lambda: lag() == 0, "no lag")
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_health_is_told_before_the_servers_answer(drawdown):
    url = f"postgresql://drawdown_app@127.0.0.1:{free_port()}/nowhere"
    worker = drawdown.worker(options={"database.url": url}).start(ready=False)
    wait_until(lambda: worker.get("/livez")[0] == 200, "the worker to be alive")
    wait_until(lambda: worker.get("/readyz") == (503, "waiting for PostgreSQL\n"), "not to be ready")
    parse_metrics(worker.get("/metrics")[1])
    assert worker.terminate() == 0
    assert url not in worker.log_text()


def test_the_admin_port_answers_what_it_has_and_nothing_else(drawdown):
    worker = drawdown.worker().start()
    assert worker.get("/readyz") == (200, "ok\n") and worker.get("/livez") == (200, "ok\n")
    assert worker.get("/")[0] == worker.get("/metrics/x")[0] == 404
    request = urllib.request.Request(f"http://127.0.0.1:{worker.admin_port}/metrics", data=b"x")
    try:
        urllib.request.urlopen(request, timeout=60)
        raise AssertionError("a POST was answered")
    except urllib.error.HTTPError as error:
        assert error.code == 405 and error.headers["Allow"] == "GET, HEAD"
    second = drawdown.worker("b", options={"admin.port": worker.admin_port})
    assert second.refuses() == 1
    assert f"port {worker.admin_port}" in second.log_text()


def test_log_lines_may_be_json_and_never_show_the_databases_address(drawdown):
    worker = drawdown.worker(options={"log.format": "json", "log.level": "debug"}).start()
    assert worker.terminate() == 0
    lines = [json.loads(line) for line in worker.log_text().splitlines()]
    assert {"worker.start", "worker.assigned", "worker.stopped"} <= {line["event"] for line in lines}
    assert all(set(line) >= {"ts", "level", "event", "msg"} for line in lines)
    assert "postgresql://" not in worker.log_text()


def test_two_migrations_at_once_make_one_schema(drawdown):
    owner_url, _ = drawdown.servers.database()
    command = [DRAWDOWN, "migrate", "--config", drawdown.config, "--set", f"database.url={owner_url}"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    with psycopg.connect(owner_url) as owner, psycopg.connect(drawdown.owner_url) as other:
        statement = "select version, name from drawdown.schema_version order by version"
        assert owner.execute(statement).fetchall() == other.execute(statement).fetchall() != []


def test_migrating_again_changes_nothing(drawdown):
    statement = "select * from drawdown.schema_version order by version"
    before = drawdown.books.query(statement)
    drawdown.migrate()
    assert drawdown.books.query(statement) == before


def test_the_workers_role_can_neither_change_nor_take_away_what_the_ledger_says(drawdown):
    with psycopg.connect(drawdown.database_url, autocommit=True) as worker:
        for statement in (
            "update drawdown.ledger_entry set amount = 1",
            "delete from drawdown.ledger_entry",
            "truncate drawdown.ledger_entry",
            "delete from drawdown.receipt",
            "update drawdown.currency set expiry_grace = '1h'",
        ):
            try:
                worker.execute(statement)
                raise AssertionError(f"was allowed: {statement}")
            except psycopg.errors.InsufficientPrivilege:
                pass
