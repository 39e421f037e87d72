"""What a worker refuses to start with, and says so: exit code, message, nothing touched.

Method: one thing is made wrong at a time; the same installation with it put right starts.
"""

import psycopg
import pytest
from support.events import consume, grant
from support.servers import ROOT
from support.wait import wait_until

USAGE, FENCED, POSITIONS, SCHEMA, TOPICS, WINDOW = 1, 6, 7, 9, 10, 11  # exit codes


MIGRATIONS = len(list((ROOT / "worker/sql/migrations").glob("*.sql")))


def last_error(worker):
    """The line that says why, of the log."""
    return [line for line in worker.log_text().splitlines() if "level=error" in line][-1]


def only_error(worker):
    """What the log says as the one error since the worker was made: its message, with the hint."""
    (line,) = [line for line in worker.log_text().splitlines() if "level=error" in line]
    return line.partition(" msg=")[2].replace('\\"', "'")


def assert_untouched(drawdown):
    assert drawdown.books.count("input_position") == drawdown.books.count("account") == 0
    assert set(drawdown.client.committed(drawdown.group).values()) == {-1001}


def test_topics_whose_clock_is_the_producers_are_refused_unless_they_are_trusted(drawdown):
    drawdown.client.set_topic("usage", message_timestamp_type="CreateTime")
    worker = drawdown.worker()
    assert worker.refuses() == USAGE
    assert f"topic {drawdown.prefix}usage has message.timestamp.type=CreateTime" in last_error(worker)
    assert_untouched(drawdown)
    drawdown.worker(options={"inputs.timestamps": "trusted"}).start()


def test_inputs_that_are_compacted_are_refused(drawdown):
    drawdown.client.set_topic("commands", cleanup_policy="compact")
    worker = drawdown.worker()
    assert worker.refuses() == USAGE
    assert f"topic {drawdown.prefix}commands is compacted" in last_error(worker)
    assert_untouched(drawdown)
    drawdown.client.set_topic("commands", cleanup_policy="delete")
    worker.start()


def test_a_dedupe_window_shorter_than_inputs_can_come_again_is_refused_unless_it_is_allowed(drawdown):
    worker = drawdown.worker(options={"dedupe.window": "1d"})
    assert worker.refuses() == WINDOW
    settings = drawdown.client.topic_settings("usage"), drawdown.client.topic_settings("dead-letters")
    kept = (int(settings[0]["retention.ms"]) + int(settings[0]["segment.ms"])) // 86_400_000
    dead = int(settings[1]["retention.ms"]) // 86_400_000
    assert only_error(worker) == (
        '"dedupe.window = 1d is shorter than an input can still come again: '
        f"{kept}d (retention.ms + segment.ms of {drawdown.prefix}usage) and then "
        f'{dead}d (retention.ms of {drawdown.prefix}dead-letters)" '
        "hint=\"raise dedupe.window or lower the topics' settings ('drawdown topics create' says what differs); "
        'dedupe.window.short = allow accepts it"'
    )
    assert_untouched(drawdown)
    drawdown.worker(options={"dedupe.window": "1d", "dedupe.window.short": "allow"}).start()


def test_a_missing_topic_is_named(install):
    drawdown = install(topics=False)
    worker = drawdown.worker()
    assert worker.refuses() == TOPICS
    drawdown.run("topics", "create")
    worker.start()
    assert only_error(worker) == (
        f'"topic {drawdown.prefix}usage does not exist" '
        "hint=\"run 'drawdown topics create'; if it exists, this user of Kafka has no right to it\""
    )


def test_a_database_that_was_not_migrated_is_refused(drawdown):
    _, url = drawdown.servers.database()
    worker = drawdown.worker(options={"database.url": url})
    assert worker.refuses() == SCHEMA
    assert only_error(worker) == '"the database has no schema drawdown" hint="run `drawdown migrate`"'


@pytest.mark.parametrize(
    "change, remedy", [(-1, "run `drawdown migrate`"), (1, "run a newer drawdown")], ids=["too old", "too new"]
)
def test_a_schema_of_another_version_is_refused(drawdown, change, remedy):
    version = MIGRATIONS + change
    with drawdown.owner() as owner:
        if change < 0:
            owner.execute("delete from drawdown.schema_version where version = %s", [MIGRATIONS])
        else:
            owner.execute("insert into drawdown.schema_version (version, name) values (%s, 'of tomorrow')", [version])
    worker = drawdown.worker()
    assert worker.refuses() == SCHEMA
    what = f"schema drawdown is at version {version}, this program needs {MIGRATIONS}"
    assert only_error(worker) == f'"{what}" hint="{remedy}"'
    assert_untouched(drawdown)


def test_of_two_replicas_with_one_id_the_fenced_one_says_so_and_ends(drawdown):
    first = drawdown.worker("twin").start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.wait_for_lag_zero()
    other = drawdown.worker("twin").start(ready=False)
    assert first.wait() == FENCED
    consumer = (
        f'"another process is member twin of group {drawdown.group}" '
        'hint="give every worker a replica.id of its own, and end a process before another takes its place"'
    )
    producer = (
        f'"another process publishes as {drawdown.group}-twin" hint="give every worker a replica.id of its own '
        '(this one has twin), and end a process before another takes its place"'
    )
    assert only_error(first) in (consumer, producer), "who notices first"
    drawdown.client.produce("usage", consume("acme", 1))
    drawdown.wait_for_lag_zero(ended=(FENCED,))
    assert drawdown.books.balance("acme", "ai-tokens") == 9
    other.wait_ready()
    drawdown.audit()


@pytest.fixture
def stopped(drawdown):
    """An installation that has handled something, its worker ended."""
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.stopped = drawdown.worker().start()
    drawdown.wait_for_lag_zero()
    assert drawdown.stopped.terminate() == 0
    return drawdown


def test_group_offsets_that_were_deleted_stop_the_worker(stopped):
    wait_until(lambda: stopped.client.members(stopped.group) == set(), "the group to be empty")
    stopped.client.admin.delete_consumer_groups([stopped.group])[stopped.group].result(10)
    assert stopped.stopped.refuses() == POSITIONS
    assert "offsets have expired or were deleted" in last_error(stopped.stopped)
    assert stopped.prefix in last_error(stopped.stopped)
    assert set(stopped.client.committed(stopped.group).values()) == {-1001}, "nothing was committed over it"


def test_a_database_that_was_made_anew_stops_the_worker(stopped):
    stopped.owner_url, stopped.options["database.url"] = stopped.servers.database()
    stopped.migrate(stopped.write_config("anew.conf"))
    worker = stopped.worker()
    assert worker.refuses() == POSITIONS
    assert "the database knows nothing of a partition that Kafka has offsets of" in last_error(worker)
    with psycopg.connect(stopped.owner_url) as owner:
        assert owner.execute("select count(*) from drawdown.input_position").fetchone() == (0,)


def test_a_topic_that_was_made_anew_stops_the_worker(stopped):
    stopped.client.delete_topic("commands")
    stopped.run("topics", "create")
    before = stopped.books.query("select * from drawdown.input_position order by topic, partition, lane")
    assert stopped.stopped.refuses() == POSITIONS
    assert f"{stopped.prefix}commands" in last_error(stopped.stopped)
    after = stopped.books.query("select * from drawdown.input_position order by topic, partition, lane")
    assert [row["recorded"] for row in after] == [row["recorded"] for row in before]


MISTAKES = {
    "an unknown key": ("batch.size = 10", "batch.size"),
    "a wrong unit": ("batch.linger = 5 parsecs", "batch.linger"),
    "no unit": ("batch.linger = 5", "batch.linger"),
    "no value": ("batch.records.max =", "batch.records.max"),
    "no equals sign": ("batch.records.max", "expected key = value"),
    "a number out of its bounds": ("database.lanes = 17", "database.lanes"),
    "no such choice": ("outputs.format = xml", "outputs.format"),
    "a key twice": ("group.id = other", "group.id"),
    "an option of librdkafka that there is not": ("kafka.no.such.option = 1", "kafka.no.such.option"),
    "an option of librdkafka that is the engine's": ("kafka.enable.auto.commit = true", "kafka.enable.auto.commit"),
}


def test_a_mistake_in_the_configuration_is_named_with_its_file_and_line(drawdown):
    lines = len(drawdown.config.read_text().splitlines())
    for what, (line, key) in MISTAKES.items():
        path = drawdown.directory / "mistaken.conf"
        path.write_text(drawdown.config.read_text() + line + "\n")
        done = drawdown.run("worker", check=False, config=path)
        assert done.returncode == USAGE, what
        assert f"mistaken.conf:{lines + 1}" in done.stderr, f"{what}: {done.stderr}"
        assert key in done.stderr, f"{what}: {done.stderr}"
    assert_untouched(drawdown)


def test_a_mistake_in_the_environment_is_named_by_its_variable(drawdown):
    done = drawdown.run("worker", check=False, DRAWDOWN_BATCH_LINGER="5 parsecs")
    assert done.returncode == USAGE and "DRAWDOWN_BATCH_LINGER" in done.stderr
    done = drawdown.run("worker", check=False, DRAWDOWN_BATCH_SIZE="5")
    assert done.returncode == USAGE and "DRAWDOWN_BATCH_SIZE" in done.stderr
    assert_untouched(drawdown)


def test_a_configuration_that_names_no_server_is_refused_before_anything_is_touched(drawdown):
    for missing in ("kafka.bootstrap.servers", "database.url"):
        path = drawdown.directory / "without.conf"
        kept = [line for line in drawdown.config.read_text().splitlines(True) if not line.startswith(missing)]
        path.write_text("".join(kept))
        done = drawdown.run("worker", check=False, config=path)
        assert done.returncode == USAGE and missing in done.stderr
    assert_untouched(drawdown)
