"""Which wire joins the demo's nodes, and what the demo needs of it: that a page can cut a node off.

By default the nodes open websockets to each other. With `--bus` they talk over a broker or by
multicast. No node knows that it is in a demo: its settings lead it to a place of the demo's own,
which passes everything on until the node is cut off.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from ratchet_server.demo.fronts import with_fronts
from ratchet_server.demo.groups import passing_between_groups
from ratchet_server.demo.links import Links
from ratchet_server.demo.machine import DemoError
from ratchet_server.demo.relays import Relays
from ratchet_server.peering.bus.kinds import checked_bus
from ratchet_server.peering.bus.port import BusError
from ratchet_server.settings import SettingError
from ratchet_server.settings.buses import DEFAULT_CLUSTER, BusUrl, buses

_KAFKA: Final = "clients of Kafka dial the address that the broker advertises, past any relay"
_TLS: Final = "on the demo's relay, the broker's certificate would have the wrong host name"
_IPV6: Final = "the demo's relay can't reach an IPv6 address"


class Wire(Protocol):
    """What joins the nodes."""

    @property
    def description(self) -> str:
        """For people: they talk over this."""

    @property
    def why_uncut(self) -> str | None:
        """Why no node can be cut off. None if each can."""

    @property
    def cut(self) -> frozenset[str]:
        """The nodes that are cut off."""

    def environ(self, node: str) -> Mapping[str, str]:
        """The variables by which this node reaches the others."""

    def cut_off(self, node: str) -> None:
        """From now on this node and the others can't reach each other."""

    def heal(self, node: str) -> None:
        """Let the node reach the others that aren't cut off themselves."""


# Makes the wire of nodes with these ports, for as long as the context lasts. The secrets are those
# of the nodes. Raises `DemoError` or `SettingError`.
MakeWire = Callable[[Mapping[str, int], Sequence[str]], AbstractAsyncContextManager[Wire]]


@contextlib.asynccontextmanager
async def mesh(ports: Mapping[str, int], _secrets: Sequence[str]) -> AsyncIterator[Wire]:
    """Websockets between the nodes."""
    links = Links(ports)
    try:
        yield links
    finally:
        await links.close()


def over(text: str) -> MakeWire:
    """The bus with this URL. Raises `SettingError` if it is none."""
    try:
        (given,) = buses([text])
    except SettingError as error:
        raise SettingError(f"--bus: {error}") from None
    url = apart(given)

    @contextlib.asynccontextmanager
    async def made(ports: Mapping[str, int], known: Sequence[str]) -> AsyncIterator[Wire]:
        # The nodes see a place on this machine, and can't check this themselves.
        checked_bus(url, known)
        async with _bus(url, [*ports]) as wire, with_fronts(wire, ports) as fronted:
            yield fronted

    return made


def apart(url: BusUrl) -> BusUrl:
    """The bus, with a cluster of this demo's own unless `url` names one. Other clusters on a broker
    are none of a demo's business."""
    if url.cluster != DEFAULT_CLUSTER:
        return url
    return dataclasses.replace(url, cluster=f"demo-{secrets.token_hex(4)}")


@contextlib.asynccontextmanager
async def _bus(url: BusUrl, nodes: Sequence[str]) -> AsyncIterator[Wire]:
    if why := _why_uncut(url):
        yield Direct(url, why)
    elif url.kind.bus == "multicast":
        try:
            async with passing_between_groups(url, nodes) as groups:
                yield groups
        except BusError as error:
            raise DemoError(f"bus {url} {error}") from None
    else:
        relays = Relays(dict.fromkeys(nodes, url))
        try:
            yield relays
        finally:
            await relays.close()


def _why_uncut(url: BusUrl) -> str | None:
    if url.kind.bus == "kafka":
        return _KAFKA
    if url.kind.tls:
        return _TLS
    brokers = url.hosts if url.kind.bus != "multicast" else ()
    return _IPV6 if any(":" in host.name for host in brokers) else None


class Direct:
    """A bus that the nodes reach without the demo, so that no node can be cut off."""

    cut: frozenset[str] = frozenset()

    def __init__(self, url: BusUrl, why_uncut: str) -> None:
        self._url = url
        self.description = str(url)
        self.why_uncut = why_uncut

    def environ(self, node: str) -> dict[str, str]:  # noqa: ARG002
        """See `Wire`."""
        return {"RATCHET_PEER": "", "RATCHET_BUS": self._url.whole}

    def cut_off(self, node: str) -> None:
        """Nobody calls this."""
        raise NotImplementedError(node)

    heal = cut_off
