"""The servers of this layer can be reached over links that fail."""

import pytest
from crash.campaign.scene import BROKER_SETTINGS
from support.network import Network
from support.servers import Servers


@pytest.fixture(scope="session")
def whole_network():
    network = Network(BROKER_SETTINGS)
    yield network
    network.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory, whole_network):
    servers = whole_network.connect(Servers(tmp_path_factory.mktemp("servers"), **whole_network.settings))
    yield servers
    servers.stop()


@pytest.fixture
def network(servers, whole_network):
    """The links to them, which are healed after the test."""
    yield whole_network
    whole_network.heal()
