"""Private servers, brought up by deploy/servers.sh: one Kafka and one PostgreSQL for all tests of a run."""

import itertools
import subprocess
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]


class Servers:
    """Started when made. `bootstrap` for Kafka; `database()` for an empty database of one's own."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self._databases = itertools.count(1)
        self._script("start")
        lines = (self.directory / "env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines)
        self.bootstrap = self.env["KAFKA_BOOTSTRAP"]

    def _script(self, verb):
        subprocess.run(["bash", ROOT / "deploy/servers.sh", verb, self.directory], check=True, stdin=subprocess.DEVNULL)

    def stop(self):
        self._script("stop")

    def pid(self, server):
        """Of "kafka" or "postgres"."""
        return int((self.directory / f"{server}.pid").read_text())

    def database(self):
        """A new, empty database: the owner's URL and the application's."""
        name = f"drawdown_{next(self._databases)}"
        with psycopg.connect(self.env["ADMIN_URL"], autocommit=True) as admin:
            admin.execute(f"create database {name} owner drawdown_owner")
        return tuple(self.env[url].removesuffix("drawdown") + name for url in ("OWNER_URL", "DATABASE_URL"))
