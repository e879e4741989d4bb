"""A Kafka server: one node, both broker and controller, with a topic that it makes at its start."""

import asyncio
import os
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from aiokafka.admin import (
    AIOKafkaAdminClient,
    NewTopic,
)
from aiokafka.errors import KafkaError

from testing import packages
from testing.certificates import Files
from testing.nodes import HOST, PATIENCE_S, free_port
from testing.packages import cache
from testing.servers.java import java
from testing.servers.server import Command, needed

TOPIC: Final = "ratchet"
# One for all, and inboxes that several processes share.
PARTITIONS: Final = 4
_NODE: Final = 1
_HEAP_MB: Final = 192
_LOOK_S: Final = 0.02
_SETTINGS: Final = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={node}@{host}:{internal}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://{host}:{internal}
advertised.listeners={advertised}
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/topics
auto.create.topics.enable=false

# One node can hold one replica.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# After a crash, the controller waits until the broker's old session is over: by default 9 s.
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=500

# Small and soon.
num.partitions=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.segment.bytes=1048576
log.cleaner.dedupe.buffer.size=1048577
num.network.threads=1
num.io.threads=2
background.threads=1
"""

_LOGIN: Final = """
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_{}="{}";
"""
_AUTHORIZER: Final = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


class Kafka:
    """See `server.Kind`. It does its work when its topic has a leader."""

    def __init__(
        self,
        *,
        relays: Sequence[int] = (),
        tls: Files | None = None,
        login: tuple[str, str] | None = None,
        rights: str = "all",
    ) -> None:
        """`relays`: ports of this machine that lead to the ports `behind`, one to each. Clients
        that come that way are told to come that way again. At most eight. `tls`: its certificate,
        `login`: the name and the password, for clients that come to the port after the
        controller's. `rights`: "all" or "none", what the login may do."""
        self._jars = needed(packages.KAFKA)
        self._port = free_port()
        self.url = self._at(TOPIC)
        # Beside its own port and the controller's.
        self.behind = range(self._port + 2, self._port + 2 + len(relays))
        self._listeners = {"PLAINTEXT": (self._port, self._port)} | {
            f"RELAY{i}": ports for i, ports in enumerate(zip(self.behind, relays, strict=True))
        }
        self._tls, self._login, self._rights = tls, login, rights
        guarded = self._port + 2
        if tls:
            self._listeners["SSL"] = (guarded, guarded)
            self.url = f"kafka+tls://{HOST}:{guarded}/{TOPIC}"
        if login:
            self._listeners["SASL_PLAINTEXT"] = (guarded, guarded)
            self.url = "kafka://{}:{}@".format(*login) + f"{HOST}:{guarded}/{TOPIC}"

    async def commands(self, folder: Path) -> Sequence[Command]:
        settings = folder / "server.properties"
        settings.write_text(
            _SETTINGS.format(
                node=_NODE,
                host=HOST,
                internal=self._port + 1,
                folder=folder,
                listeners=_listed(f"{n}://{HOST}:{at}" for n, (at, _) in self._listeners.items()),
                advertised=_listed(f"{n}://{HOST}:{to}" for n, (_, to) in self._listeners.items()),
                protocols=_listed(
                    f"{n}:{'PLAINTEXT' if n.startswith('RELAY') else n}" for n in self._listeners
                ),
            )
        )
        with settings.open("a") as file:
            file.write(self._guards(folder))
        if not (folder / "topics/meta.properties").exists():
            # It writes what a new node begins with, and the name of its cluster.
            new = ("format", "-t", _cluster(), "-c", settings)
            command = java(self._jars, _HEAP_MB, "kafka.tools.StorageTool", *new)
            await asyncio.to_thread(cache.run, command)
        return [Command(java(self._jars, _HEAP_MB, "kafka.Kafka", settings), os.environ)]

    async def answers(self) -> bool:
        return await self._leads(TOPIC)

    async def create_topic(self, topic: str) -> str:
        """Create a topic, and return the URL with it."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self._leads(topic):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
        return self._at(topic)

    def _guards(self, folder: Path) -> str:
        """The settings of TLS or the login."""
        text = ""
        if self._tls:
            store = folder / "store.pem"
            store.write_bytes(self._tls.key.read_bytes() + self._tls.certificate.read_bytes())
            text += f"ssl.keystore.type=PEM\nssl.keystore.location={store}\n"
        if self._login:
            text += _LOGIN.format(*self._login)
        if self._rights == "none":
            # Whoever comes without a login may do all: our own checks.
            text += _AUTHORIZER
        return text

    def _at(self, topic: str) -> str:
        return f"kafka://{HOST}:{self._port}/{topic}"

    async def _leads(self, topic: str) -> bool:
        """Whether the topic, which is created if it is not there, has a leader."""
        # While the port is closed, the client would complain on the log.
        _, writer = await asyncio.open_connection(HOST, self._port)
        writer.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{HOST}:{self._port}")
        try:
            await admin.start()
            await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
            (found,) = await admin.describe_topics([topic])
        except KafkaError:
            return False
        finally:
            await admin.close()
        return {partition["leader"] for partition in found["partitions"]} == {_NODE}


def _listed(items: Iterable[str]) -> str:
    return ",".join(items)


def _cluster() -> str:
    """A new name. Kafka wants a UUID in Base64, which must not begin with a dash."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
