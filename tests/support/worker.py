"""An installation (fresh database, fresh topics) and the worker processes in it."""

import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import psycopg

from support.books import Books
from support.client import Client
from support.servers import ROOT
from support.wait import wait_until

DRAWDOWN = os.environ.get("DRAWDOWN", ROOT / "build/release/drawdown")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Worker:
    """One replica: `drawdown worker --config FILE`, its standard error in a file."""

    def __init__(self, config, log, admin_port):
        self.config = config
        self.log = log
        self.admin_port = admin_port
        self.process = None

    def start(self, ready=True):
        with open(self.log, "ab") as stderr:
            self.process = subprocess.Popen(
                [DRAWDOWN, "worker", "--config", self.config],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
            )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30.0):
        wait_until(self.is_ready, "worker ready", seconds)

    def is_ready(self):
        assert self.process.poll() is None, f"worker ended with {self.process.returncode}:\n{self.log_text()[-4000:]}"
        return self.get("/readyz")[0] == 200

    def get(self, path):
        """Status and body from the admin port; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self):
        """Samples of /metrics: {'name{label="value"}': number}."""
        samples = [line.rsplit(" ", 1) for line in self.get("/metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in samples}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def cont(self):
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, seconds=30.0):
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds=30.0):
        return self.process.wait(seconds)

    def end(self):
        """However it stands, it is gone afterwards."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def log_text(self):
        return Path(self.log).read_text(errors="replace")


class Installation:
    """A migrated database and a set of topics that no other test sees; `options` go over the configuration's defaults."""

    def __init__(self, servers, directory, prefix, options=None, topics=True):
        self.servers = servers
        self.directory = Path(directory)
        self.prefix = prefix
        self.group = prefix.rstrip(".")
        self.owner_url, self.database_url = servers.database()
        self.client = Client(servers.bootstrap, prefix)
        self.books = Books(self.owner_url)
        self.workers = []
        self.options = {
            "kafka.bootstrap.servers": servers.bootstrap,
            "group.id": self.group,
            "topics.prefix": prefix,
            "topics.partitions": 4,
            "topics.replication": 1,
            "database.url": self.database_url,
        } | (options or {})
        self.config = self.write_config("drawdown.conf")
        self.migrate()
        if topics:
            self.run("topics", "create")

    def write_config(self, name, options=None):
        path = self.directory / name
        path.write_text("".join(f"{key} = {value}\n" for key, value in (self.options | (options or {})).items()))
        return path

    def run(self, *arguments, check=True, **environment):
        """The command line, `drawdown ARGUMENT...`; the completed process with its output as text."""
        done = subprocess.run(
            [DRAWDOWN, *arguments, "--config", self.config],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | environment,
        )
        assert not check or done.returncode == 0, f"{arguments}: exit code {done.returncode}\n{done.stderr}"
        return done

    def migrate(self):
        self.run("migrate", DRAWDOWN_DATABASE_URL=self.owner_url)
        with psycopg.connect(self.owner_url) as owner:
            owner.execute("grant drawdown_worker to drawdown_app")

    def worker(self, replica="a", options=None):
        """A worker that is not started yet; `options` are its own."""
        port = free_port()
        config = self.write_config(f"{replica}.conf", {"replica.id": replica, "admin.port": port} | (options or {}))
        self.workers.append(Worker(config, self.directory / f"{replica}.log", port))
        return self.workers[-1]

    def wait_for_lag_zero(self, seconds=60.0):
        """Every record of the inputs is handled: the group has committed the end of each partition."""
        self.client.flush()
        wait_until(lambda: self.client.lag(self.group) == 0, "no lag", seconds)

    def check_books(self):
        """The invariants in the database, and the ledger topic against it."""
        self.books.check()
        self.books.check_topic(self.client.read("ledger"))

    def close(self):
        for worker in self.workers:
            worker.end()
        for worker in self.workers:
            print(f"--- {worker.log}\n{worker.log_text()[-8000:]}" if Path(worker.log).exists() else "")
