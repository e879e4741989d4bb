"""The real brokers on which tests of buses run, and clusters of nodes on them."""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from ratchet_server.peering.bus.kinds import bus_of
from ratchet_server.peering.bus.port import Bus
from ratchet_server.settings.buses import buses

from testing.nodes import Node, connected, free_port, wait_until
from testing.servers.kafka import Kafka
from testing.servers.nats import Nats
from testing.servers.rabbitmq import RabbitMQ
from testing.servers.redis import Redis
from testing.servers.shared import Shared

# What makes the server of each, by the name that people give it.
BROKERS: Final[Mapping[str, Callable[[], Any]]] = {
    "nats": Nats,
    "redis": Redis,
    "rabbitmq": RabbitMQ,
    "kafka": Kafka,
}
# Shorter than a node's, because tests wait for silence; and long enough for a busy machine.
BEAT_S: Final = 0.5


# Multicast has no broker. Other groups and other ports are other buses.
MULTICAST: Final = "multicast"


def wire_url(name: str, servers: Shared) -> str:
    """The URL of a bus: "multicast", or one of the brokers, which is up then."""
    if name == MULTICAST:
        return f"multicast://239.255.77.{random.randrange(1, 255)}:{free_port()}?iface=lo"
    return asyncio.run(servers.get(BROKERS[name])).url


def bus_at(url: str, cluster: str) -> Bus:
    """The bus at this URL, for a cluster of this name."""
    (parsed,) = buses([in_cluster(url, cluster)])
    return bus_of(parsed)


def in_cluster(url: str, cluster: str) -> str:
    """`url` for a cluster of this name."""
    return f"{url}{'&' if '?' in url else '?'}cluster={cluster}"


@contextmanager
def cluster_on(
    url: str,
    folder: Path,
    names: Sequence[str] = ("a", "b", "c"),
    *,
    environ: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Node]]:
    """Nodes that know nothing but a bus, and serve. All are ended at the end of the `with`
    statement."""
    # One broker serves many tests.
    flags = ["--open", "--bus", in_cluster(url, folder.name)]
    with ExitStack() as stack:
        nodes = {
            name: stack.enter_context(Node(name, folder, flags=flags, environ=environ))
            for name in names
        }
        for node in nodes.values():
            node.spawn()
        for node in nodes.values():
            node.wait_for_log("ready: ")
        wait_until(lambda: connected(nodes.values()), "all nodes are connected")
        yield nodes
