"""An installation (fresh database, fresh topics) and the worker processes in it."""

import os
import random
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException

from model.account import Currency
from model.compare import check_all
from model.contract import read_thresholds
from model.order import in_order_of_ledger, in_order_of_stages
from model.referee import Referee
from support.books import Books
from support.client import Client, is_passing
from support.servers import ROOT
from support.wait import wait_until

DRAWDOWN = os.environ.get("DRAWDOWN", ROOT / "build/release/drawdown")
# The tests' own variables would be taken for misspelt options.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("DRAWDOWN_")}


def free_port():
    """Below the range from which the kernel gives ports to whoever connects, and deploy/servers.sh to its servers."""
    for port in random.SystemRandom().sample(range(10000, 20000), 100):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class Worker:
    """One replica: `drawdown worker --config FILE`, its standard error in a file."""

    def __init__(self, config, log, admin_port, program=DRAWDOWN):
        self.program = program
        self.config = config
        self.log = log
        self.admin_port = admin_port
        self.environment = {}  # more than the tests' own
        self.process = None

    def start(self, ready=True):
        with open(self.log, "ab") as stderr:
            self.process = subprocess.Popen(
                [self.program, "worker", "--config", self.config],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                env=ENVIRONMENT | self.environment,
                start_new_session=True,
            )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        wait_until(self.is_ready, "worker ready")

    def is_ready(self):
        assert self.process.poll() is None, f"worker ended with {self.process.returncode}:\n{self.log_text()[-4000:]}"
        return self.get("/readyz")[0] == 200

    def refuses(self, seconds=60.0):
        """Start it and wait for its end: the exit code."""
        self.start(ready=False)
        return self.wait(seconds)

    def get(self, path):
        """Status and body from the admin port; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self):
        """Samples of /metrics: {'name{label="value"}': number}."""
        samples = [line.rsplit(" ", 1) for line in self.get("/metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in samples}

    def inputs(self):
        """{(kind, outcome): count} of what it has published."""
        counts = {}
        for name, value in self.metrics().items():
            match = re.fullmatch(r'drawdown_inputs_total\{kind="(.*)",outcome="(.*)"\}', name)
            if match and value:
                counts[match.groups()] = int(value)
        return counts

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def cont(self):
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, seconds=60.0):
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds=60.0):
        return self.process.wait(seconds)

    def end(self):
        """However it stands, it is gone afterwards."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def log_text(self):
        return Path(self.log).read_text(errors="replace")


class Installation:
    """A migrated database and a set of topics that no other test sees; `options` go over the configuration's defaults."""

    def __init__(self, servers, directory, prefix, options=None, topics=True, program=DRAWDOWN, tool=DRAWDOWN):
        self.program = program  # of the workers
        self.tool = tool  # of the command line
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
            "topics.replication": servers.replication,
            "database.url": self.database_url,
            "sweep.interval": "0s",  # an advance would come whenever it comes
        } | (options or {})
        self.config = self.write_config("drawdown.conf")
        self.migrate()
        if topics:
            self.run("topics", "create")

    def write_config(self, name, options=None):
        path = self.directory / name
        path.write_text("".join(f"{key} = {value}\n" for key, value in (self.options | (options or {})).items()))
        return path

    def run(self, *arguments, check=True, config=None, **environment):
        """The command line, `drawdown ARGUMENT...`; the completed process with its output as text."""
        done = subprocess.run(
            [self.tool, *arguments, "--config", config or self.config],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            env=ENVIRONMENT | environment,
        )
        assert not check or done.returncode == 0, f"{arguments}: exit code {done.returncode}\n{done.stderr}"
        return done

    def run_all(self, *commands):
        """Several at once, whatever their exit codes."""
        with ThreadPoolExecutor(len(commands)) as pool:
            return list(pool.map(lambda arguments: self.run(*arguments, check=False), commands))

    def migrate(self, config=None):
        self.run("migrate", config=config, DRAWDOWN_DATABASE_URL=self.owner_url)
        with psycopg.connect(self.owner_url) as owner:
            owner.execute("grant drawdown_worker, drawdown_reader to drawdown_app")

    def worker(self, replica="a", options=None):
        """A worker that is not started yet; `options` are its own."""
        port = free_port()
        config = self.write_config(f"{replica}.conf", {"replica.id": replica, "admin.port": port} | (options or {}))
        self.workers.append(Worker(config, self.directory / f"{replica}.log", port, self.program))
        return self.workers[-1]

    def wait_for_lag_zero(self, seconds=120.0, ended=(0, -9)):
        """Every record of the inputs is handled: the group has committed the end of each partition. `ended`: exit codes
        that workers may have."""
        self.client.flush()

        def is_zero():
            for worker in self.workers:
                code = worker.process.poll() if worker.process else None
                assert code is None or code in ended, f"worker ended with {code}:\n{worker.log_text()[-4000:]}"
            try:
                return self.client.lag(self.group) == 0
            except KafkaException as error:
                if is_passing(error):
                    return False
                raise

        wait_until(is_zero, "no lag", seconds)

    def wait_until_counted(self):
        """No lag, and the workers' metrics say all that was done: they count a batch once they hear that it is
        committed, which others may see before them."""
        self.wait_for_lag_zero()
        self.wait_until_handled()

    def wait_until_handled(self):
        """The workers' metrics say that all is done: to them, unlike to the group's lag, a transaction's marker at the
        end of an input is no record that is left."""
        self.client.flush()
        ends = {(topic, at): end for topic in ("usage", "commands") for at, end in self.client.ends(topic).items()}

        def is_counted():
            metrics = {}
            for worker in self.workers:
                if worker.process is not None and worker.process.poll() is None:
                    metrics |= worker.metrics()
            return all(
                metrics.get(f'drawdown_position{{topic="{self.prefix}{topic}",partition="{at}"}}', -1) >= end
                for (topic, at), end in ends.items()
            )

        wait_until(is_counted, "all to be counted")

    def recorded(self):
        """How far the database knows the inputs, by (topic, partition)."""
        rows = self.books.query(
            "select topic, partition, max(recorded) as recorded from drawdown.input_position group by topic, partition"
        )
        return {(row["topic"].removeprefix(self.prefix), row["partition"]): row["recorded"] for row in rows}

    def unrecorded(self):
        """How many records of the inputs the database knows nothing of yet."""
        ends = sum(sum(self.client.ends(topic).values()) for topic in ("usage", "commands"))
        return ends - sum(self.recorded().values())

    def wait_for_balance(self, customer, amount, currency="ai-tokens"):
        self.client.flush()
        wait_until(lambda: self.books.balance(customer, currency) == amount, f"a balance of {amount} of {customer}")

    def owner(self):
        """A connection that may change everything."""
        return psycopg.connect(self.owner_url)

    def set_currency(self, currency, **settings):
        """A row of settings, as the owner."""
        names = ["currency_id", *settings]
        with psycopg.connect(self.owner_url) as owner:
            owner.execute(
                f"insert into drawdown.currency ({', '.join(names)}) values ({', '.join(['%s'] * len(names))})",
                [currency, *settings.values()],
            )

    def check_books(self):
        """The invariants in the database, and the ledger topic against it."""
        self.books.check()
        self.books.check_topic(self.client.read("ledger"))
        self.books.check_balances(self.client.read("balances"))

    def check_offsets(self, since=None):
        """What the group has committed (since then: Client.offsets_history) never went back."""
        history = self.client.offsets_history(self.group, since)
        assert history, f"group {self.group} has no offsets"
        for (topic, partition), offsets in history.items():
            assert offsets == sorted(offsets), f"the offsets of {topic} [{partition}] went back: {offsets}"

    def currencies(self):
        """The settings that have a row, as the referee knows them."""
        return {
            row["currency_id"]: Currency(
                row["expiry_grace"],
                row["over_limit"],
                row["overdraft_limit"],
                read_thresholds(row["thresholds"] or []),
            )
            for row in self.books.query("select * from drawdown.currency")
        }

    def without_parked(self, records):
        """Those that are handled where they stand: a parked one waits, and is handled where a release handed it in. Of
        several that were handed in for it that one counts which has a receipt."""
        source = "select source_topic || '/' || source_partition || '/' || source_offset as place from drawdown."
        done = {row["place"] for row in self.books.query(source + "receipt")}
        aside = {row["place"] for row in self.books.query(source + "parked")}
        for record in records:
            original = record.headers.get("drawdown.released-from")
            if original is not None:
                aside.add(original.decode())
                if record.place not in done:
                    aside.add(record.place)
        return [record for record in records if record.place not in aside]

    def referee(self, by_time=False, stages=(), **rules):
        """What a referee makes of the inputs. `by_time`: the whole input lay there before the worker began, or was
        produced in `stages` (model/order.py), so its order is the contract's; otherwise the order is the one in which
        the ledger has it."""
        records = self.without_parked(self.client.read("usage") + self.client.read("commands"))
        if by_time:
            ordered = in_order_of_stages(records, stages)
        else:
            ordered = in_order_of_ledger(records, self.books.entries())
        return Referee(**{"currencies": self.currencies()} | rules).handle_all(ordered)

    def audit(self, by_time=False, stages=(), **rules):
        """Everything there is to compare: the invariants, the topics against the database, and all of it against what
        a referee makes of the inputs (see there), who is returned."""
        self.client.flush()
        self.check_books()
        referee = self.referee(by_time, stages, **rules)
        check_all(self, referee, by_time)
        return referee

    def forget(self):
        """End its workers, and drop its topics and its database: a long run makes many."""
        for worker in self.workers:
            worker.end()
        self.client.delete_topics()
        self.books.close()
        self.servers.drop_database(self.owner_url)

    def close(self):
        self.client.close()
        self.books.close()
        for worker in self.workers:
            worker.end()
        for log in dict.fromkeys(worker.log for worker in self.workers):
            print(f"--- {log}\n{log.read_text(errors='replace')[-8000:]}" if log.exists() else "")
