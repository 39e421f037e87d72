"""Fixtures: the servers of the run, and an installation of one's own for each test."""

import itertools
import os
import random

import pytest

from support.registry import Registry
from support.servers import Servers
from support.worker import Installation

prefixes = (f"t{number}." for number in itertools.count(1))


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """A schema registry, for those tests that ask for one."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.stop()


def _installer(servers, path):
    made = []

    def make(options=None, **arguments):
        directory = path / f"{len(made)}"
        directory.mkdir()
        made.append(Installation(servers, directory, next(prefixes), options, **arguments))
        return made[-1]

    yield make
    for installation in made:
        installation.close()


@pytest.fixture
def install(servers, tmp_path):
    """install(options) makes an Installation; what it started is ended after the test."""
    yield from _installer(servers, tmp_path)


@pytest.fixture(scope="module")
def install_for_all(servers, tmp_path_factory):
    """The same for all tests of a file."""
    yield from _installer(servers, tmp_path_factory.mktemp("installations"))


@pytest.fixture
def chance():
    """Randomness with a seed that is printed, and taken back from $DRAWDOWN_SEED."""
    seed = int(os.environ.get("DRAWDOWN_SEED", random.randrange(2**32)))
    print(f"DRAWDOWN_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def drawdown(install):
    """One installation with the defaults."""
    return install()
