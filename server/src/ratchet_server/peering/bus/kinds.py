"""Makes the bus of a URL. The client of a bus is imported only here, when a setting names it."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Final

from ratchet_server import DISTRIBUTION
from ratchet_server.peering.bus.port import Bus
from ratchet_server.settings import SettingError
from ratchet_server.settings.buses import BusUrl

# By kind, which is the module's name: the class, and the library that it needs beyond what every
# node has.
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "nats": ("Nats", "nats-py"),
    "redis": ("RedisBus", "redis"),
    "rabbitmq": ("RabbitMQ", "aiormq"),
    "kafka": ("Kafka", "aiokafka"),
    "multicast": ("Multicast", ""),
}


def checked_bus(url: BusUrl, secrets: Sequence[str]) -> Bus:
    """The bus, if this node may use it. Raises `SettingError`, also if it has no secret and others
    could publish there."""
    if not secrets and not url.is_local:
        raise SettingError(
            f"bus {url} needs a secret: whoever can publish there could change the counts. Give "
            "all nodes the same one (--secret-file)"
        )
    return bus_of(url)


def bus_of(url: BusUrl) -> Bus:
    """The bus. Raises `SettingError` if its library is not installed."""
    kind = url.kind.bus
    name, library = _KINDS[kind]
    try:
        found = importlib.import_module(f"ratchet_server.peering.bus.{kind}")
    except ModuleNotFoundError as error:
        raise SettingError(
            f"bus {url} needs {library}, and {error.name} is not installed: "
            f"pip install '{DISTRIBUTION}[{kind}]'"
        ) from None
    bus: Bus = getattr(found, name)(url)
    return bus
