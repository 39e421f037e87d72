"""tests/crash/campaign/run: see --help."""

import argparse
import random
import shlex
import sys
import tempfile
from pathlib import Path

from support.cluster import Cluster
from support.failpoints import PROGRAM
from support.network import Network
from support.servers import ROOT, Servers

from crash.campaign import bugs, report
from crash.campaign.campaign import Campaign, kafka_settings
from crash.campaign.small_disk import SmallDisk

DEFAULTS = {}  # the program's own time-outs
# Transactions that have timed out are ended at once, not within ten seconds; a broker that died is missed after two seconds,
# and may be back then.
SETTINGS = f"""{kafka_settings()["KAFKA_SETTINGS"]}
transaction.abort.timed.out.transaction.cleanup.interval.ms=100
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500"""


def arguments():
    parser = argparse.ArgumentParser(prog="tests/crash/campaign/run", description="Faults under load, and an audit of all books.")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="makes the same schedule again")
    parser.add_argument("--faults", type=int, help="end after so many")
    parser.add_argument("--minutes", type=float, help="end after so long (10, where --faults is not given either)")
    parser.add_argument("--only", default="*", help="kinds, separated by commas, * for anything: worker/*,postgres/kill")
    parser.add_argument("--part", type=int, default=120, help="faults between two audits")
    parser.add_argument("--rate", type=int, default=200, help="events a second")
    parser.add_argument("--histories", type=int, metavar="EVENTS", help="behind each part the histories of model/bugs, and random ones")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="of Kafka")
    parser.add_argument("--defaults", action="store_true", help="the program's own time-outs, not the shortest")
    parser.add_argument("--program", type=Path, default=PROGRAM, help="the worker, of a build with failpoints")
    parser.add_argument("--report", type=Path, default=ROOT / "build/campaign", help="writes FILE.json and FILE.md")
    parser.add_argument("--directory", type=Path, help="keeps configuration and logs there")
    parser.add_argument("--bugs", help="no campaign of its own: one for each of these deliberate bugs, which it must catch")
    parser.add_argument("--quiet", action="store_true", help="no timeline on the terminal")
    given = parser.parse_args()
    if given.faults is None and given.minutes is None:
        given.minutes = 10
    return given


def find_bugs(given):
    found = bugs.find_all(given.bugs, given.seed, given.faults or 40, given.report)
    Path(f"{given.report}.md").write_text(bugs.page(found, f"tests/crash/campaign/run {shlex.join(sys.argv[1:])}"))
    return 0 if all(found.values()) else 1


def bring_up(directory, brokers, network):
    if brokers > 1:
        return Cluster(directory, KAFKA_SETTINGS=SETTINGS)
    return Servers(directory, **network.settings)


def main():
    given = arguments()
    if given.bugs:
        return find_bugs(given)
    directory = given.directory or Path(tempfile.mkdtemp(prefix="drawdown-campaign."))
    directory.mkdir(parents=True, exist_ok=True)
    print(f"seed {given.seed}, directory {directory}", flush=True)
    network = Network(SETTINGS)
    servers = network.connect(bring_up(directory / "servers", given.brokers, network))
    servers.disk = None
    try:
        servers.disk = SmallDisk(servers) if SmallDisk.is_allowed() else None
        campaign = Campaign(
            servers,
            directory,
            given.seed,
            only=given.only,
            program=given.program,
            rate=given.rate,
            part_faults=given.part,
            options=DEFAULTS if given.defaults else None,
            proxies=network,
            histories=given.histories,
            note=(lambda text: None) if given.quiet else (lambda text: print(text, flush=True)),
        ).run(given.faults, given.minutes)
    finally:
        if servers.disk is not None:
            servers.disk.close()
        servers.stop()
        network.close()
    found = report.numbers(campaign, f"tests/crash/campaign/run {shlex.join(sys.argv[1:])}")
    report.write(found, given.report)
    print(report.page(found))
    return 2 if campaign.is_broken else 1 if campaign.violation else 0


if __name__ == "__main__":
    sys.exit(main())
