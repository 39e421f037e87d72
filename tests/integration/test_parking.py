"""A customer whose records make the database refuse those of others is parked, alone; a release hands its records in
again, in order.

Method: another session keeps the lock of one customer's account, or a constraint refuses one customer's rows. A lock on a
whole table and a read-only database refuse everybody: they park nobody. (A full disk: tests/loop/test_parking.c, and the
campaign of tests/crash.)
"""

import json
import threading

import psycopg
import pytest
from support.events import CURRENCY, consume, grant
from support.faults import account_locked, cut_connections, ledger_locked
from support.wait import wait_until

OPTIONS = {"database.lock.timeout": "200ms"}
OTHERS = [f"other-{number}" for number in range(20)]
TIMED_OUT = 5


@pytest.fixture
def drawdown(install):
    return install(OPTIONS)


def parked(drawdown, *arguments):
    lines = drawdown.run("parked", "list", "--json", *arguments).stdout.splitlines()
    return {line["customerId"]: line for line in map(json.loads, lines)}


def release(drawdown, customer, *arguments, check=True):
    return drawdown.run("parked", "release", customer, *arguments, check=check)


def spend(drawdown, customer, first, last):
    """`customer` and all others consume 1 under each key from `first` to `last`."""
    for number in range(first, last + 1):
        for who in [customer, *OTHERS]:
            drawdown.client.produce("usage", consume(who, 1, f"u{number}"), key=who)
    drawdown.client.flush()


def give(drawdown, *customers):
    for customer in customers:
        drawdown.client.produce("commands", grant(customer, 100), key=customer)
    drawdown.wait_for_lag_zero()


def keys_of(drawdown, customer):
    entries = drawdown.books.query(
        "select idempotency_key from drawdown.ledger "
        "where customer_id = %s and event_type = 'CREDITS_CONSUMED' order by seq",
        customer,
    )
    return [entry["idempotency_key"] for entry in entries]


def keys(last):
    return [f"u{number}" for number in range(1, last + 1)]


def test_a_customer_whose_account_somebody_keeps_locked_waits_alone_and_is_released_in_order(drawdown):
    worker = drawdown.worker().start()
    give(drawdown, "stuck", *OTHERS)
    with account_locked(drawdown, "stuck"):
        spend(drawdown, "stuck", 1, 3)
        drawdown.wait_for_lag_zero()
        assert all(drawdown.books.balance(other, CURRENCY) == 97 for other in OTHERS)
        (row,) = parked(drawdown).values()
        assert row["customerId"] == "stuck" and row["records"] == 3 and "SQLSTATE 55P03" in row["reason"]
        assert worker.metrics()["drawdown_parked_customers"] == 1
        assert worker.inputs()["consume", "parked"] == 3
        assert "event=worker.parked" in worker.log_text() and "parked customer stuck" in worker.log_text()
        spend(drawdown, "stuck", 4, 5)  # behind them
        drawdown.wait_for_lag_zero()
        assert parked(drawdown)["stuck"]["records"] == 5
        assert all(drawdown.books.balance(other, CURRENCY) == 95 for other in OTHERS)
        late = release(drawdown, "stuck", "--execute", "--timeout", "5s", check=False)
        assert late.returncode == TIMED_OUT
        assert "5 records of stuck are handed in and still wait after 5 s" in late.stderr
    assert release(drawdown, "stuck").stdout == "would release 5 records of stuck; --execute does it\n"
    assert release(drawdown, "stuck", "--execute").stdout.startswith("released stuck: ")
    assert parked(drawdown) == {} and worker.metrics()["drawdown_parked_customers"] == 0
    assert drawdown.books.balance("stuck", CURRENCY) == 95 and keys_of(drawdown, "stuck") == keys(5)
    spend(drawdown, "stuck", 6, 6)
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("stuck", CURRENCY) == 94
    assert release(drawdown, "stuck").stdout == "would release 0 records of stuck; --execute does it\n"
    drawdown.audit()


def test_a_row_that_the_database_refuses_parks_its_customer_and_new_records_come_behind_during_the_release(drawdown):
    worker = drawdown.worker().start()
    give(drawdown, "odd", *OTHERS)
    with drawdown.owner() as owner:
        owner.execute("alter table drawdown.ledger_entry add constraint no_odd check (customer_id <> 'odd') not valid")
    spend(drawdown, "odd", 1, 40)
    drawdown.wait_for_lag_zero()
    row = parked(drawdown, "--customer", "odd")["odd"]
    assert row["records"] == 40 and "no_odd" in row["reason"] and len(parked(drawdown)) == 1
    with drawdown.owner() as owner:
        owner.execute("alter table drawdown.ledger_entry drop constraint no_odd")
    meanwhile = threading.Thread(target=spend, args=(drawdown, "odd", 41, 60))
    meanwhile.start()
    release(drawdown, "odd", "--execute")
    meanwhile.join()
    drawdown.wait_until_handled()
    if parked(drawdown):  # what came after the command's last look
        release(drawdown, "odd", "--execute")
    assert keys_of(drawdown, "odd") == keys(60)
    assert worker.process.poll() is None
    drawdown.audit()


def test_a_new_owner_knows_who_is_parked_and_killed_workers_leave_no_row_behind(drawdown):
    worker = drawdown.worker().start()
    give(drawdown, "stuck", *OTHERS)
    with account_locked(drawdown, "stuck"):
        spend(drawdown, "stuck", 1, 30)
        wait_until(lambda: parked(drawdown), "the first to be parked")
        worker.kill()
        other = drawdown.worker("b").start()
        drawdown.wait_for_lag_zero()
        assert parked(drawdown)["stuck"]["records"] == 30
    handing_in = threading.Thread(target=release, args=(drawdown, "stuck", "--execute"))
    handing_in.start()
    wait_until(lambda: drawdown.books.balance("stuck", CURRENCY) < 100, "the release to have begun")
    other.kill()
    drawdown.worker("c").start()
    handing_in.join()
    drawdown.wait_until_handled()
    assert parked(drawdown) == {} and keys_of(drawdown, "stuck") == keys(30)
    drawdown.audit()


def test_what_refuses_everybody_parks_nobody(drawdown):
    worker = drawdown.worker().start()
    give(drawdown, "one", *OTHERS)

    def tries():
        return worker.metrics()["drawdown_lane_retries_total"]

    with ledger_locked(drawdown):
        spend(drawdown, "one", 1, 2)
        wait_until(lambda: tries() > 8, "some tries")
    drawdown.wait_for_lag_zero()
    database = psycopg.conninfo.conninfo_to_dict(drawdown.owner_url)["dbname"]
    with psycopg.connect(drawdown.owner_url, autocommit=True) as owner:  # as after a failover
        owner.execute(f'alter database "{database}" set default_transaction_read_only = on')
        cut_connections(drawdown)
        before = tries()
        spend(drawdown, "one", 3, 4)
        wait_until(lambda: tries() > before + 8, "some tries")
        owner.execute("set default_transaction_read_only = off")
        owner.execute(f'alter database "{database}" reset default_transaction_read_only')
        cut_connections(drawdown)
    drawdown.wait_for_lag_zero()
    assert parked(drawdown) == {} and "worker.parked" not in worker.log_text()
    drawdown.audit()
