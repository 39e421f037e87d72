"""What happens to PostgreSQL: it dies, is restarted, away, read-only, full, out of connections; its sessions are ended, held
up by a lock of somebody else, or stopped."""

import os
import signal
import time

import psycopg
from support.faults import app_sessions, cut_connections

from crash.campaign.fault import Fault

LOCKS = (
    "lock table drawdown.ledger_entry in share mode",
    "lock table drawdown.receipt in access exclusive mode",
    "select from drawdown.account where customer_id in (select min(customer_id) from drawdown.account) for update",
    "select from drawdown.input_position for update",
)
# Also where transactions are read-only unless they say otherwise.
READ_WRITE = "-c default_transaction_read_only=off"


def as_admin(scene, *statements):
    with psycopg.connect(scene.servers.env["ADMIN_URL"], autocommit=True, options=READ_WRITE) as admin:
        for statement in statements:
            admin.execute(statement)


class OfPostgres(Fault):
    needs = frozenset({"postgres"})


class Ended(OfPostgres):
    """Ended by a signal, and started again at once, or after some time."""

    def __init__(self, scene, how, seconds=0.0):
        self.how = how
        self.seconds = seconds

    def inject(self, scene):
        scene.servers.end("postgres", self.how)

    def heal(self, scene):
        scene.servers.resume("postgres")


class SessionsCut(OfPostgres):
    """pg_terminate_backend() of all that workers have, several times, whatever they are doing."""

    def inject(self, scene):
        for _ in range(scene.chance.randrange(1, 6)):
            cut_connections(scene.installation)
            time.sleep(scene.chance.uniform(0, 0.1))


class Locked(OfPostgres):
    """Somebody else holds a lock: on a table, an account, the positions."""

    def __init__(self, scene):
        self.statement = scene.chance.choice(LOCKS)
        self.seconds = scene.chance.uniform(0.3, 2.5)

    def inject(self, scene):
        self.session = psycopg.connect(scene.installation.owner_url, options="-c lock_timeout=3s")
        try:
            self.session.execute(self.statement)
        except psycopg.errors.LockNotAvailable:  # it would have deadlocked, or waited behind somebody who waits
            self.session.rollback()

    def heal(self, scene):
        self.session.close()


class Stopped(OfPostgres):
    """The sessions of workers do nothing, while their connections stay open."""

    def __init__(self, scene):
        self.seconds = scene.chance.uniform(0.3, 2.5)

    def inject(self, scene):
        self.pids = app_sessions(scene.installation, "pid")
        for (pid,) in self.pids:
            _signal(pid, signal.SIGSTOP)

    def heal(self, scene):
        for (pid,) in self.pids:
            _signal(pid, signal.SIGCONT)


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended meanwhile


class ReadOnly(OfPostgres):
    """As after a failover to a standby that is not promoted: every transaction is read-only."""

    seconds = 1.0

    def inject(self, scene):
        as_admin(scene, "alter system set default_transaction_read_only = on", "select pg_reload_conf()")
        cut_connections(scene.installation)

    def heal(self, scene):
        as_admin(scene, "alter system reset default_transaction_read_only", "select pg_reload_conf()")
        cut_connections(scene.installation)


class WithoutConnections(OfPostgres):
    """The limit of connections is reached by others, and those of workers are cut."""

    seconds = 1.0

    def inject(self, scene):
        as_admin(scene, "alter role drawdown_app connection limit 0")
        cut_connections(scene.installation)

    def heal(self, scene):
        as_admin(scene, "alter role drawdown_app connection limit -1")


class DiskFull(OfPostgres):
    """Nothing more can be written, be it tables or the log; the server may end of it, and is started again once there is
    room. Only where its data lies on a file system of its own (small_disk.py)."""

    seconds = 1.5

    def inject(self, scene):
        scene.servers.disk.fill()

    def heal(self, scene):
        scene.servers.disk.free()
        if not scene.servers.is_running("postgres"):
            scene.note("PostgreSQL had ended of it")
            scene.servers.resume("postgres")


def kinds(scene):
    kinds = {
        "postgres/kill": lambda scene: Ended(scene, signal.SIGKILL),
        "postgres/crash": lambda scene: Ended(scene, signal.SIGQUIT),
        "postgres/restart": lambda scene: Ended(scene, signal.SIGINT),
        "postgres/away": lambda scene: Ended(scene, signal.SIGKILL, scene.chance.uniform(2, 4)),
        "postgres/sessions-cut": SessionsCut,
        "postgres/lock": Locked,
        "postgres/stopped": Stopped,
        "postgres/read-only": ReadOnly,
        "postgres/connection-limit": WithoutConnections,
    }
    return kinds | ({"postgres/disk-full": DiskFull} if getattr(scene.servers, "disk", None) else {})
