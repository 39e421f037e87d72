"""What a worker is meant to stop at, because time alone does not mend it: its one line and its exit code; then the step
that worker/README.md names for it; then the books.

Method: real servers, one thing made wrong at a time, between two runs or while the worker runs.
"""

import itertools
import re

import psycopg
import pytest
from support.books import Books
from support.events import consume, grant
from support.rights import GuardedServers, Rights
from support.wait import wait_until
from support.worker import Installation

POSITIONS, TOPICS, RIGHTS = 7, 10, 12  # exit codes
CUSTOMERS = [f"customer-{number}" for number in range(12)]
MISSING_HINT = "run 'drawdown topics create'; if it exists, this user of Kafka has no right to it"
ANEW_HINT = "see 'topic made anew' in worker/README.md"
EXPIRED_HINT = (
    "unless the topic was made anew, set them to the recorded offsets (worker/README.md, 'offsets expired') "
    "and raise offsets.retention.minutes on the broker"
)
KAFKA_HINT = "check the credentials in kafka.* and the rights of that user: see 'Rights' in worker/README.md"
GRANT_HINT = (
    "grant the role drawdown_worker (or drawdown_reader, for reading) to the user of database.url; "
    "run `drawdown migrate` as the schema's owner first"
)
LOGIN_HINT = "check user and password in database.url, and the server's pg_hba.conf"


def errors(worker):
    """(message, hint) of each line of level error."""
    lines = [line.replace('\\"', "'") for line in worker.log_text().splitlines() if "level=error" in line]
    return [re.search(r' msg="(.*?)"(?: hint="(.*)")?$', line).groups() for line in lines]


def begin(drawdown, worker):
    """Each customer has 10 and used 1: something of every partition."""
    worker.start()
    for customer in CUSTOMERS:
        drawdown.client.produce("commands", grant(customer, 10))
    drawdown.wait_for_lag_zero()
    use(drawdown)
    drawdown.wait_for_lag_zero()
    return worker


def use(drawdown, times=1):
    events = [consume(customer, 1) for customer in CUSTOMERS * times]
    for event in events:
        drawdown.client.produce("usage", event)
    drawdown.client.flush()
    return events


def finish(drawdown, worker, used):
    """Started again, it handles what there is: each customer has used so much."""
    worker.start()
    drawdown.wait_for_lag_zero()
    assert {drawdown.books.balance(customer, "ai-tokens") for customer in CUSTOMERS} == {10 - used}
    drawdown.check_books()


def empty(drawdown):
    wait_until(lambda: drawdown.client.members(drawdown.group) == set(), "the group to be empty")


def forget_topic(drawdown, topic):
    """The step after it was made anew; the group's offsets went with the old one."""
    with drawdown.owner() as owner:
        owner.execute("delete from drawdown.input_position where topic = %s", [drawdown.prefix + topic])


@pytest.fixture
def drawdown(install):
    """A worker that ended is soon no member of the group any more, whose offsets can then be changed."""
    return install({"group.session.timeout": "2s"})


def test_an_input_that_was_made_anew_between_two_runs(drawdown):
    worker = begin(drawdown, drawdown.worker())
    assert worker.terminate() == 0
    drawdown.client.delete_topic("usage")
    drawdown.run("topics", "create")
    recorded = drawdown.recorded()["usage", 0]
    assert worker.refuses() == POSITIONS
    what = "the topic was made anew: it ends before what is recorded: "
    where = f"{drawdown.prefix}usage [0]: committed -1, recorded {recorded}, log 0 to 0"
    assert errors(worker) == [(what + where, ANEW_HINT)]
    forget_topic(drawdown, "usage")
    used = use(drawdown)
    for event in used:  # receipts of the same keys stay
        drawdown.client.produce("usage", event)
    finish(drawdown, worker, 2)


def test_an_input_that_is_made_anew_while_the_worker_runs_and_has_more_records_than_the_old_one(drawdown):
    worker = begin(drawdown, drawdown.worker())
    recorded = drawdown.recorded()["usage", 0]
    drawdown.client.delete_topic("usage")
    wait_until(lambda: "topic does not exist" in worker.log_text(), "the worker to miss it")
    drawdown.run("topics", "create")
    use(drawdown, 3)
    assert worker.wait() == POSITIONS
    ((what, hint),) = errors(worker)
    end = drawdown.client.ends("usage")[0]
    assert end > recorded
    assert hint in (EXPIRED_HINT, ANEW_HINT), "which depends on how much was there already"
    assert re.search(rf": {drawdown.prefix}usage \[\d\]: committed -1, recorded \d+, log 0 to \d+$", what)
    forget_topic(drawdown, "usage")
    finish(drawdown, worker, 4)


def test_topics_that_are_deleted_while_workers_run(install):
    """Both at once, for each waits half a minute for the topic to come back."""
    no_usage, no_ledger = install(), install()
    reader, writer = (begin(drawdown, drawdown.worker()) for drawdown in (no_usage, no_ledger))
    no_usage.client.delete_topic("usage")
    no_ledger.client.delete_topic("ledger")
    use(no_ledger)
    for drawdown, worker, topic in ((no_usage, reader, "usage"), (no_ledger, writer, "ledger")):
        assert worker.wait() == TOPICS
        assert errors(worker) == [(f"topic {drawdown.prefix}{topic} does not exist", MISSING_HINT)]
        drawdown.run("topics", "create")
    forget_topic(no_usage, "usage")
    use(no_usage)
    finish(no_usage, reader, 2)
    writer.start()
    no_ledger.wait_for_lag_zero()
    no_ledger.books.check()
    published = [(entry.value["customerId"], entry.value["balanceAfter"]) for entry in no_ledger.client.read("ledger")]
    assert sorted(published) == sorted((customer, 8) for customer in CUSTOMERS), "what was not published yet, once"


def test_an_output_that_was_made_anew_stops_nobody_and_has_what_comes_later(drawdown):
    worker = begin(drawdown, drawdown.worker())
    for is_running in (True, False):
        if not is_running:
            assert worker.terminate() == 0
        for topic in ("ledger", "balances"):
            drawdown.client.delete_topic(topic)
        drawdown.run("topics", "create")
        if not is_running:
            worker.start()
        use(drawdown)
        drawdown.wait_for_lag_zero()
        balance = 8 if is_running else 7
        for topic in ("ledger", "balances"):
            customers = [record.value["customerId"] for record in drawdown.client.read(topic)]
            assert sorted(customers) == sorted(CUSTOMERS), topic
        assert {drawdown.books.balance(customer, "ai-tokens") for customer in CUSTOMERS} == {balance}
        drawdown.books.check()
    assert errors(worker) == []


def test_records_that_retention_took_before_they_were_read_are_counted_and_can_be_sent_again(drawdown):
    worker = begin(drawdown, drawdown.worker())
    assert worker.terminate() == 0
    lost = use(drawdown)
    before, ends = drawdown.client.committed(drawdown.group), drawdown.client.ends("usage")
    drawdown.client.delete_records({("usage", at): end for at, end in ends.items()})
    worker.start()
    wait_until(lambda: "worker.assigned" in worker.log_text().rsplit("event=worker.start", 1)[1], "the positions to be read")
    assert errors(worker) == [
        (
            f"retention took {drawdown.prefix}usage [{at}] from {before['usage', at]} to {ends[at]} before it was published: "
            "0 records are published from the database, the others are lost; hint=raise the topic's retention",
            None,
        )
        for at in sorted(ends)
        if before["usage", at] < ends[at]
    ]
    assert {drawdown.books.balance(customer, "ai-tokens") for customer in CUSTOMERS} == {9}
    for event in lost:
        drawdown.client.produce("usage", event)
    drawdown.wait_for_lag_zero()
    assert worker.terminate() == 0
    finish(drawdown, worker, 2)


def test_offsets_of_the_group_that_expired(drawdown):
    worker = begin(drawdown, drawdown.worker())
    assert worker.terminate() == 0
    use(drawdown)
    empty(drawdown)
    drawdown.client.admin.delete_consumer_groups([drawdown.group])[drawdown.group].result(10)
    assert worker.refuses() == POSITIONS
    recorded, end = drawdown.recorded(), drawdown.client.ends("usage")[0]
    where = f"{drawdown.prefix}usage [0]: committed -1, recorded {recorded['usage', 0]}, log 0 to {end}"
    assert errors(worker) == [(f"the group's offsets have expired or were deleted: {where}", EXPIRED_HINT)]
    empty(drawdown)
    drawdown.client.set_offsets(drawdown.group, recorded)
    finish(drawdown, worker, 2)
    drawdown.audit()


def test_a_database_that_lost_its_last_commits(drawdown):
    """As after a failover to a standby that lagged behind: a copy from before them."""
    worker = begin(drawdown, drawdown.worker())
    assert worker.terminate() == 0
    drawdown.books.close()
    copy = drawdown.owner_url + "_standby"
    with psycopg.connect(drawdown.servers.env["ADMIN_URL"], autocommit=True) as admin:
        name = drawdown.owner_url.rsplit("/", 1)[1]
        wait_until(lambda: is_unused(admin, name), "its connections to end")
        admin.execute(f"create database {name}_standby template {name} owner drawdown_owner")
    worker.start()
    use(drawdown)
    drawdown.wait_for_lag_zero()
    assert worker.terminate() == 0

    drawdown.owner_url, drawdown.books = copy, Books(copy)
    promoted = drawdown.worker("b", options={"database.url": drawdown.database_url + "_standby"})
    assert promoted.refuses() == POSITIONS
    committed, recorded = drawdown.client.committed(drawdown.group), drawdown.recorded()
    where = f"{drawdown.prefix}usage [0]: committed {committed['usage', 0]}, recorded {recorded['usage', 0]}, "
    assert errors(promoted) == [
        (
            f"the database has lost data that Kafka has committed: {where}log 0 to {drawdown.client.ends('usage')[0]}",
            "a failover needs a synchronous standby; see 'lost data' in worker/README.md",
        )
    ]
    drawdown.client.set_offsets(drawdown.group, recorded)
    promoted.start()
    drawdown.wait_for_lag_zero()
    assert {drawdown.books.balance(customer, "ai-tokens") for customer in CUSTOMERS} == {8}
    drawdown.books.check()


def is_unused(admin, name):
    return admin.execute("select count(*) from pg_stat_activity where datname = %s", [name]).fetchone() == (0,)


# ---- rights ----


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    servers = GuardedServers(tmp_path_factory.mktemp("guarded"))
    yield servers
    servers.stop()


numbers = itertools.count(1)


@pytest.fixture
def bare(guarded, tmp_path):
    """An installation in which nobody has a right."""
    drawdown = Installation(guarded, tmp_path, f"g{next(numbers)}.")
    drawdown.rights = Rights(drawdown.client)
    yield drawdown
    drawdown.close()


@pytest.fixture
def bound(bare):
    """Its workers have the rights that worker/README.md lists, and no other."""
    bare.rights.grant(rights_of_worker(bare))
    return bare


def rights_of_worker(drawdown):
    prefix, group = drawdown.prefix, drawdown.group
    rights = [("topic", f"{prefix}{topic}", "read") for topic in ("usage", "commands")]
    rights += [("topic", f"{prefix}{topic}", "describe configs") for topic in ("usage", "commands", "dead-letters")]
    outputs = ("ledger", "balances", "outcomes", "notifications", "dead-letters")
    rights += [("topic", f"{prefix}{topic}", "write") for topic in ("commands", *outputs)]
    return [*rights, ("group", group, "read"), ("transactional_id", f"{group}-*", "write")]


# What is revoked while it runs; its message then, and at its next start, where numbers and addresses are free.
REVOKED = {
    "to read an input": (
        ("topic", "{prefix}usage", "read"),
        r"could not (publish|read).*: .*Topic authorization failed",
        TOPICS,
        r"topic {prefix}usage does not exist",
    ),
    "to write an output": (
        ("topic", "{prefix}ledger", "write"),
        r"could not publish.*: Broker: Topic authorization failed",
        TOPICS,
        r"topic {prefix}ledger does not exist",
    ),
    "to use the group": (
        ("group", "{group}", "read"),
        r".*: Broker: Group authorization failed",
        RIGHTS,
        r".*: Broker: Group authorization failed",
    ),
    "to use the transactional id": (
        ("transactional_id", "{group}-*", "write"),
        r"could not publish: .*: Broker: Transactional Id authorization failed",
        RIGHTS,
        r"could not publish: .*: Broker: Transactional Id authorization failed",
    ),
}


@pytest.mark.parametrize("what", REVOKED)
def test_a_right_in_kafka_that_is_revoked(guarded, bound, what):
    names = {"prefix": bound.prefix, "group": bound.group}
    right, message, code, at_start = REVOKED[what]
    right = tuple(part.format(**names) for part in right)
    worker = begin(bound, bound.worker(options=guarded.login()))
    bound.rights.revoke(right)
    use(bound)
    assert worker.wait() == RIGHTS
    ((found, hint),) = errors(worker)
    assert re.fullmatch(message.format(**names), found) and hint == KAFKA_HINT
    assert worker.refuses() == code
    found, hint = errors(worker)[1]
    assert re.fullmatch(at_start.format(**names), found) and hint == (KAFKA_HINT if code == RIGHTS else MISSING_HINT)
    assert len(errors(worker)) == 2
    bound.rights.grant([right])
    finish(bound, worker, 2)
    bound.audit()


def test_a_right_to_read_the_topics_settings_that_is_missing_at_the_start(guarded, bound):
    bound.rights.revoke(("topic", f"{bound.prefix}usage", "describe configs"))
    worker = bound.worker(options=guarded.login())
    assert worker.refuses() == RIGHTS
    what = f"could not read the settings of topic {bound.prefix}usage: Broker: Topic authorization failed"
    assert errors(worker) == [(what, KAFKA_HINT)]


def rights_of_commands(drawdown):
    """consume, and verify --topic."""
    prefix, group = drawdown.prefix, drawdown.group
    rights = [("topic", f"{prefix}{topic}", "read") for topic in ("ledger", "outcomes", "dead-letters")]
    rights += [("group", name, "describe") for name in (group, "drawdown-submit", "drawdown-topic-reader")]
    rights += [("topic", f"{prefix}usage", "write")]
    return rights + [("topic", f"{prefix}{topic}", "describe") for topic in ("usage", "commands")]


def test_commands_need_no_more_rights_than_are_listed(guarded, bare):
    begin(bare, bare.worker())  # which the tests' own way lets do anything
    config = bare.write_config("console.conf", guarded.login())
    bare.rights.grant(rights_of_commands(bare))
    bare.run("consume", CUSTOMERS[0], "ai-tokens", "1", config=config)
    bare.run("verify", "--topic", config=config)
    done = bare.run("grant", CUSTOMERS[0], "ai-tokens", "1", "--type", "PAID", check=False, config=config)
    assert done.returncode != 0 and bare.books.balance(CUSTOMERS[0], "ai-tokens") == 8, "they may not grant"


def test_a_password_that_kafka_refuses(guarded, bound):
    worker = bound.worker(options=guarded.login("another"))
    assert worker.refuses() == RIGHTS
    ((found, hint),) = errors(worker)
    assert "Authentication failed: Invalid username or password" in found and hint == KAFKA_HINT


@pytest.mark.parametrize(
    "right, at_start",
    [
        (
            "drawdown_worker {} drawdown_app",
            ("database refused read_schema_version: permission denied for table schema_version (SQLSTATE 42501)", GRANT_HINT),
        ),
        (
            "insert on drawdown.ledger_entry {} drawdown_worker",
            (
                "role drawdown_app lacks rights in schema drawdown",
                "as the schema's owner: grant drawdown_worker to drawdown_app",
            ),
        ),
    ],
    ids=["membership", "on a table"],
)
def test_a_right_in_postgresql_that_is_revoked(drawdown, right, at_start):
    worker = begin(drawdown, drawdown.worker())
    with drawdown.owner() as owner:
        owner.execute("revoke " + right.format("from"))
    try:
        use(drawdown)
        assert worker.wait() == RIGHTS
        ((found, hint),) = errors(worker)
        assert re.fullmatch(r"database refused \w+: permission denied for table \w+ \(SQLSTATE 42501\)", found)
        assert hint == GRANT_HINT
        assert worker.refuses() == RIGHTS
        assert errors(worker)[1:] == [at_start]
    finally:
        with drawdown.owner() as owner:
            owner.execute("grant " + right.format("to"))
    finish(drawdown, worker, 2)
    drawdown.audit()


def test_a_user_of_postgresql_that_may_not_log_in_any_more(drawdown):
    with psycopg.connect(drawdown.servers.env["ADMIN_URL"], autocommit=True) as admin:
        admin.execute("create role visitor login")
        with drawdown.owner() as owner:
            owner.execute("grant drawdown_worker to visitor")
        url = drawdown.database_url.replace("drawdown_app", "visitor")
        worker = begin(drawdown, drawdown.worker(options={"database.url": url}))
        admin.execute("alter role visitor nologin")
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'visitor'")
        use(drawdown)
        for runs in (1, 2):
            assert (worker.wait() if runs == 1 else worker.refuses()) == RIGHTS
            found, hint = errors(worker)[-1]
            assert found.startswith("could not connect to the database: connection to server at '127.0.0.1', port ")
            assert found.endswith(" failed: FATAL:  role 'visitor' is not permitted to log in")
            assert hint == LOGIN_HINT and len(errors(worker)) == runs
        admin.execute("alter role visitor login")
    finish(drawdown, worker, 2)
    drawdown.audit()
