"""Private servers, brought up by deploy/servers.sh: one Kafka and one PostgreSQL for all tests of a run."""

import itertools
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]


class ManagedServers:
    """Started when made, by deploy/servers.sh. `settings`: POSTGRES_SETTINGS, KAFKA_SETTINGS (see there)."""

    def __init__(self, directory, *which, **settings):
        self.settings = settings
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self._commands = {}
        self._script("start", *which)
        lines = (self.directory / "env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines)

    def _script(self, verb, *which):
        command = ["bash", ROOT / "deploy/servers.sh", verb, self.directory, *which]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=os.environ | self.settings)

    def stop(self):
        self._script("stop")

    def pid(self, server):
        """Of "kafka", "postgres" or "registry"."""
        return int((self.directory / f"{server}.pid").read_text())

    @contextmanager
    def frozen(self, server):
        """Within, the server does not answer, and connections to it stay open."""
        pids = [self.pid(server)]
        os.kill(pids[0], signal.SIGSTOP)  # it makes no more children
        pids += _children(pids[0])
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    def is_running(self, server):
        return _is_running(self.pid(server))

    def end(self, server, how):
        """End it with that signal."""
        pid = self.pid(server)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        self._commands[server] = command, Path(f"/proc/{pid}").stat()
        family = [pid, *_children(pid)]  # a new PostgreSQL does not begin beside processes of the old one
        os.kill(pid, how)
        # PostgreSQL writes all of the run's databases.
        wait_until(lambda: not any(map(_is_running, family)), f"{server} to end", 300)

    def resume(self, server):
        """Start what was ended as it was started, on the same port and data."""
        command, owner = self._commands[server]
        with open(self.directory / f"{server}.log", "ab") as log:
            as_user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
            process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **as_user
            )
        (self.directory / f"{server}.pid").write_text(f"{process.pid}\n")

        def is_up():
            assert process.poll() is None, f"{server} ended at its start, see {self.directory}/{server}.log"
            return self._answers(server)

        wait_until(is_up, f"{server} to answer", 120)

    def restart(self, server, how):
        """End it with that signal and start it as it was started, on the same port and data."""
        self.end(server, how)
        self.resume(server)


class Servers(ManagedServers):
    """Kafka and PostgreSQL. `bootstrap` for Kafka; `database()` for an empty database of one's own."""

    replication = 1  # of topics

    def __init__(self, directory, *which, **settings):
        super().__init__(directory, *which, **settings)
        self._databases = itertools.count(1)
        self.bootstrap = self.env.get("KAFKA_BOOTSTRAP")

    def _answers(self, server):
        if server == "kafka":
            return kafka_answers(self.bootstrap)
        try:
            with psycopg.connect(self.env["ADMIN_URL"], connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def database(self, more=""):
        """A new, empty database: the owner's URL and the application's."""
        name = f"drawdown_{next(self._databases)}"
        with psycopg.connect(self.env["ADMIN_URL"], autocommit=True) as admin:
            admin.execute(f"create database {name} owner drawdown_owner {more}")
        return tuple(self.env[url].removesuffix("drawdown") + name for url in ("OWNER_URL", "DATABASE_URL"))

    def drop_database(self, owner_url):
        name = owner_url.rsplit("/", 1)[1]
        with psycopg.connect(self.env["ADMIN_URL"], autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")


def kafka_answers(bootstrap):
    try:
        return bool(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=5))
    except KafkaException:
        return False


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_running(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False
