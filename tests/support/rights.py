"""A Kafka that asks who one is, and holds everybody but the tests themselves to their rights."""

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from support.client import TIMEOUT
from support.network import listeners
from support.servers import Servers
from support.worker import free_port

USER, PASSWORD = "drawdown", "secret"


class GuardedServers(Servers):
    """Who comes by the tests' own way may do anything; who comes by `guarded` logs in, and may do what was granted."""

    def __init__(self, directory):
        port = free_port()
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        super().__init__(
            directory,
            **listeners(
                [("GUARDED", port, port, "SASL_PLAINTEXT")],
                "listener.name.guarded.sasl.enabled.mechanisms=PLAIN",
                f'listener.name.guarded.plain.sasl.jaas.config={module} required user_{USER}="{PASSWORD}";',
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users=User:ANONYMOUS",
            ),
        )
        self.guarded = f"127.0.0.1:{port}"

    def login(self, password=PASSWORD):
        """Options of drawdown's configuration."""
        return {
            "kafka.bootstrap.servers": self.guarded,
            "kafka.security.protocol": "SASL_PLAINTEXT",
            "kafka.sasl.mechanisms": "PLAIN",
            "kafka.sasl.username": USER,
            "kafka.sasl.password": password,
        }


def _right(kind, name, right):
    pattern = ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL
    operation = AclOperation[right.upper().replace(" ", "_")]
    return ResourceType[kind.upper()], name.rstrip("*"), pattern, f"User:{USER}", "*", operation, AclPermissionType.ALLOW


class Rights:
    """The user's, (kind, name, right) each: ("topic", "credits.usage", "describe configs"); a name may end with '*'."""

    def __init__(self, client):
        self._admin = client.admin

    def grant(self, rights):
        for future in self._admin.create_acls([AclBinding(*_right(*right)) for right in rights]).values():
            future.result(TIMEOUT)

    def revoke(self, right):
        (future,) = self._admin.delete_acls([AclBindingFilter(*_right(*right))]).values()
        assert future.result(TIMEOUT), "there was no such right"
