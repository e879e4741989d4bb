"""The nodes' front doors in a demo over a bus: for what is large, they dial each other there.

A node that lacks much dials the node that sends it, at the URL that this one advertises (see
`peering.on_demand`), past any relay of the bus. So each node advertises a link of the demo's. A
link can't tell who comes, so while any node is cut off all doors are shut, and what is large comes
over the bus, too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from ratchet_server.demo.links import Link

if TYPE_CHECKING:
    from ratchet_server.demo.wires import Wire


class WithFronts:
    """A wire, and front doors that are shut while a node is cut off. See `wires.Wire`."""

    def __init__(self, wire: Wire, fronts: Mapping[str, Link]) -> None:
        self._wire = wire
        self._fronts = fronts
        self.description = wire.description
        self.why_uncut = wire.why_uncut

    @property
    def cut(self) -> frozenset[str]:
        """See `wires.Wire`."""
        return self._wire.cut

    def environ(self, node: str) -> Mapping[str, str]:
        """See `wires.Wire`."""
        return {**self._wire.environ(node), "RATCHET_ADVERTISE": self._fronts[node].url}

    def cut_off(self, node: str) -> None:
        """See `wires.Wire`."""
        self._wire.cut_off(node)
        for front in self._fronts.values():
            front.cut()

    def heal(self, node: str) -> None:
        """See `wires.Wire`."""
        self._wire.heal(node)
        if not self._wire.cut:
            for front in self._fronts.values():
                front.heal()


@contextlib.asynccontextmanager
async def with_fronts(wire: Wire, ports: Mapping[str, int]) -> AsyncIterator[Wire]:
    """This wire, and front doors of the nodes with these ports, while the context lasts."""
    fronts = {node: Link(port) for node, port in ports.items()}
    try:
        yield WithFronts(wire, fronts)
    finally:
        await asyncio.gather(*(front.close() for front in fronts.values()))
