"""The wire of multicast: each node has a port of its own in the group, and the demo passes on.

Multicast has no connections that a relay could break: who has joined a group hears everybody there.
So each node is alone at its port, and the demo, which listens at all of them, sends what it hears
at one to the others, unless a node is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from ratchet_server.demo.machine import DemoError
from ratchet_server.peering.bus.multicast import Multicast
from ratchet_server.peering.bus.port import BusError, Line
from ratchet_server.settings.buses import BusUrl, Host

# The demo hears what it has passed on itself. Of so many datagrams it knows that it has had them.
_KNOWN: Final = 10_000
_WAITING: Final = 10_000
_HIGHEST_PORT: Final = 65535


class Groups:
    """See `wires.Wire`, and use `passing_between_groups`."""

    why_uncut = None

    def __init__(self, url: BusUrl, nodes: Sequence[str]) -> None:
        """`url`: the first node's; the next ones have the next ports."""
        host = url.hosts[0]
        last = host.port + len(nodes) - 1
        if last > _HIGHEST_PORT:
            raise DemoError(f"bus {url}: the nodes take the ports to {last}; begin at a lower one")
        self.description = f"{url} to {last}, between which the demo passes datagrams on"
        self.urls: Mapping[str, BusUrl] = {
            node: dataclasses.replace(url, hosts=(Host(host.name, host.port + i),))
            for i, node in enumerate(nodes)
        }
        self._cut: set[str] = set()
        self._known: set[bytes] = set()
        self._order: deque[bytes] = deque()
        self._heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_WAITING)

    @property
    def cut(self) -> frozenset[str]:
        """See `wires.Wire`."""
        return frozenset(self._cut)

    def environ(self, node: str) -> dict[str, str]:
        """See `wires.Wire`."""
        return {"RATCHET_PEER": "", "RATCHET_BUS": self.urls[node].whole}

    def cut_off(self, node: str) -> None:
        """See `wires.Wire`."""
        self._cut.add(node)

    def heal(self, node: str) -> None:
        """See `wires.Wire`."""
        self._cut.discard(node)

    def hear(self, node: str, datagram: bytes) -> None:
        """A datagram has come at this node's port: from the node, or passed on by us."""
        # Each is signed, with a time in it. So no two of the nodes' own are the same.
        mark = hashlib.blake2b(datagram, digest_size=16).digest()
        if mark in self._known:
            return
        self._known.add(mark)
        self._order.append(mark)
        if len(self._order) > _KNOWN:
            self._known.discard(self._order.popleft())
        # What is too much gets lost, as it does in any network.
        with contextlib.suppress(asyncio.QueueFull):
            self._heard.put_nowait((node, datagram))

    async def pass_on(self, lines: Mapping[str, Line]) -> None:
        """Send what is heard of each node to the others."""
        while True:
            sender, datagram = await self._heard.get()
            for node, line in lines.items():
                if node != sender and self._cut.isdisjoint({node, sender}):
                    with contextlib.suppress(BusError):
                        await line.publish(None, datagram)


@contextlib.asynccontextmanager
async def passing_between_groups(url: BusUrl, nodes: Sequence[str]) -> AsyncIterator[Groups]:
    """The wire, while the context lasts. Raises `BusError` if the group can't be joined, and
    `DemoError`."""
    groups = Groups(url, nodes)
    async with contextlib.AsyncExitStack() as stack:
        lines = {}
        for node, own in groups.urls.items():

            def hear(datagram: bytes, node: str = node) -> None:
                groups.hear(node, datagram)

            lines[node] = await stack.enter_async_context(Multicast(own).connect("demo", hear))
        passing = asyncio.create_task(groups.pass_on(lines))
        try:
            yield groups
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)
