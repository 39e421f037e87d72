"""Holding the worker at a certain point, so that what happens there is no matter of luck."""

from contextlib import contextmanager

import psycopg

from support.wait import wait_until

WAITING_FOR_LOCK = "state = 'active' and wait_event_type = 'Lock'"
INSIDE_COPY = "state = 'active' and query ~* '(^|\\n)copy ' and wait_event = 'ClientRead'"


@contextmanager
def ledger_locked(installation):
    """Within, lanes come as far as their COPY into the ledger and wait there. Yields what ends the lock early."""
    with psycopg.connect(installation.owner_url) as owner:
        owner.execute("lock table drawdown.ledger_entry in share mode")
        yield owner.rollback


@contextmanager
def account_locked(installation, customer):
    """Within, the lane that handles this customer waits for its account; the others go on."""
    with psycopg.connect(installation.owner_url) as owner:
        owner.execute("select from drawdown.account where customer_id = %s for update", [customer])
        yield owner.rollback


def app_sessions(installation, what="count(*)", condition="true"):
    """Of the database's sessions of workers, as the superuser: others are not told what a session does."""
    with psycopg.connect(installation.servers.env["ADMIN_URL"]) as admin:
        statement = f"select {what} from pg_stat_activity where datname = %s and usename = 'drawdown_app' and {condition}"
        database = psycopg.conninfo.conninfo_to_dict(installation.database_url)["dbname"]
        return admin.execute(statement, [database]).fetchall()


def wait_for_blocked_lanes(installation, count=1):
    wait_until(
        lambda: app_sessions(installation, condition=WAITING_FOR_LOCK)[0][0] >= count, f"{count} lanes to wait for a lock"
    )


def wait_for_lanes_inside_copy(installation, count=1):
    wait_until(lambda: app_sessions(installation, condition=INSIDE_COPY)[0][0] >= count, f"{count} lanes inside a COPY")


def wait_for_lanes_at_rest(installation):
    """Every lane has committed what it had in hand."""
    wait_until(lambda: app_sessions(installation, condition="state <> 'idle'")[0][0] == 0, "lanes at rest")


def cut_connections(installation):
    """End every session that workers have; how many there were."""
    return len(app_sessions(installation, "pg_terminate_backend(pid)"))
