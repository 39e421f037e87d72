"""Ways of a worker's own to the servers, which a test can cut."""

from support.proxy import Proxy
from support.worker import free_port

NAMES = "abc"  # of the replicas that have one


def listeners(wanted, *settings):
    """For deploy/servers.sh: a Kafka with more listeners, (name, port, advertised port, protocol) each, and settings."""
    protocols = [("PLAINTEXT", "PLAINTEXT"), ("CONTROLLER", "PLAINTEXT")]
    protocols += [(name, protocol) for name, _, _, protocol in wanted]
    mapped = ",".join(f"{name}:{protocol}" for name, protocol in protocols)
    return {
        "KAFKA_LISTENERS": ",".join(f"{name}://127.0.0.1:{port}" for name, port, _, _ in wanted),
        "KAFKA_ADVERTISED": ",".join(f"{name}://127.0.0.1:{port}" for name, _, port, _ in wanted),
        "KAFKA_SETTINGS": "\n".join([f"listener.security.protocol.map={mapped}", *settings]),
    }


class Network:
    """For each replica a link to PostgreSQL and one to Kafka, whose broker tells it to come by that one only. Made before
    the servers, which get `settings` and are then told to connect(). To a cluster (support/cluster.py) there are none."""

    def __init__(self, *settings):
        self._proxy = Proxy()
        ports = {name: free_port() for name in NAMES}
        self.kafka = {name: self._proxy.link(ports[name], protocol="kafka") for name in NAMES}
        self.postgres = {}
        ways = [(f"LINK{name.upper()}", ports[name], self.kafka[name].port, "PLAINTEXT") for name in NAMES]
        self.settings = listeners(ways, *settings)

    def connect(self, servers):
        if servers.replication > 1:
            self.kafka = {}
        port = int(servers.env["PG_PORT"])
        self.postgres = {name: self._proxy.link(port, protocol="postgres") for name in NAMES}
        return servers

    def options(self, name, installation):
        """That lead this replica over its links; none where it has none."""
        if name not in self.postgres:
            return {}
        address, database = installation.database_url.rsplit("/", 1)
        link = f"{address.rsplit(':', 1)[0]}:{self.postgres[name].port}"
        # for the proxy to read along
        options = {"database.url": f"{link}/{database}?sslmode=disable&gssencmode=disable"}
        if name in self.kafka:
            options["kafka.bootstrap.servers"] = f"127.0.0.1:{self.kafka[name].port}"
        return options

    def links(self, server):
        """{replica: its link to "kafka" or "postgres"}"""
        return getattr(self, server)

    def heal(self):
        for link in (*self.kafka.values(), *self.postgres.values()):
            link.heal()

    def close(self):
        self._proxy.close()
