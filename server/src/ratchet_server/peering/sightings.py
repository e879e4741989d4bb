"""Sightings: what the transports report to operators, all together."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ratchet_server.peering.bus.transport import BusTransport
from ratchet_server.peering.mesh import Mesh
from ratchet_server.peering.strangers import Met


class BusState(NamedTuple):
    """A bus: why nothing is heard on it, and for how many seconds. None while all is well."""

    name: str
    trouble: str | None
    trouble_s: float


class Sightings:
    """What the mesh and the buses have seen of late."""

    def __init__(self, mesh: Mesh, buses: Sequence[BusTransport]) -> None:
        self._mesh = mesh
        self._buses = buses

    def strangers(self) -> list[Met]:
        """The processes of other clusters that this node has met, each once."""
        met = {(one.node, one.cluster): one for bus in self._buses for one in bus.strangers}
        met |= {(one.node, one.cluster): one for one in self._mesh.strangers}
        return sorted(met.values(), key=lambda one: (one.node, one.url))

    def misunderstood(self) -> Mapping[str, str]:
        """The peers whose frames this node can't take, or that can't take its own; and why."""
        found: dict[str, str] = {}
        for bus in self._buses:
            found |= bus.misunderstood()
        return {**found, **self._mesh.misunderstood()}

    def refusing(self) -> int:
        """At how many of the addresses that it dials this node was refused the last time."""
        return sum(one.refused is not None for one in self._mesh.dialled)

    def buses(self) -> list[BusState]:
        """All buses of this node."""
        return [BusState(bus.name, *(bus.trouble or (None, 0.0))) for bus in self._buses]
