"""The wire of a broker: each node reaches it through a relay of its own, which a page can cut."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping

from ratchet_server.demo.links import Link
from ratchet_server.demo.machine import HOST
from ratchet_server.settings.buses import BusUrl, Host


class Relays:
    """See `wires.Wire`. Use it inside one event loop, and close it at the end."""

    why_uncut = None

    def __init__(self, urls: Mapping[str, BusUrl], ports: Mapping[str, int] | None = None) -> None:
        """`urls`: where the broker is for each node. `ports`: where a node's relay listens, if that
        must be known before; otherwise at any free port. (A relay leads to one host.)"""
        self._urls = urls
        at = ports or {}
        self._links = {
            node: [Link(host.port, host=host.name, port=at.get(node, 0)) for host in url.hosts]
            for node, url in urls.items()
        }
        self._cut: set[str] = set()
        places = ", ".join(dict.fromkeys(map(str, urls.values())))
        self.description = f"{places}, each through a relay of the demo's"

    @property
    def cut(self) -> frozenset[str]:
        """See `wires.Wire`."""
        return frozenset(self._cut)

    def environ(self, node: str) -> dict[str, str]:
        """See `wires.Wire`. A password is in a variable, because `ps` shows flags."""
        relays = tuple(Host(HOST, link.port) for link in self._links[node])
        url = dataclasses.replace(self._urls[node], hosts=relays)
        return {"RATCHET_PEER": "", "RATCHET_BUS": url.whole}

    def cut_off(self, node: str) -> None:
        """See `wires.Wire`."""
        self._cut.add(node)
        for link in self._links[node]:
            link.cut()

    def heal(self, node: str) -> None:
        """See `wires.Wire`."""
        self._cut.discard(node)
        for link in self._links[node]:
            link.heal()

    async def close(self) -> None:
        """Close all relays for good."""
        await asyncio.gather(*(link.close() for links in self._links.values() for link in links))
