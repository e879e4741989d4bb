"""Worlds for tests of discoveries: processes that announce themselves in a registry, or nearly so.

Each has what `World` in `test_discovery_contract.py` asks for.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import urlsplit

from ratchet.frames import Hello
from ratchet_server.peering.ports import Discovery
from ratchet_server.peering.registry.finder import Finder
from ratchet_server.peering.registry.known import registry
from ratchet_server.peering.registry.port import Registry as Port
from ratchet_server.settings.registries import registry_urls

from testing.dns import Zone, dns_server
from testing.nodes import PATIENCE_S
from testing.registry import Place, Registry
from testing.servers.server import Server
from testing.servers.shared import Shared
from testing.transports import until

ME: Final = Hello("a", "a" * 16, "http://10.0.0.1:1")


class Registered:
    """Addresses that the nodes themselves announce in a registry."""

    discovery: Discovery

    def __init__(self, *, lease_s: float = 2 * PATIENCE_S) -> None:
        """By default a lease lasts longer than a test waits: a node that ends must withdraw its
        address, and not leave it until the lease ends."""
        self._lease_s = lease_s
        self._running: dict[Hello, asyncio.Task[None]] = {}

    def place(self) -> Port:
        """An adapter for one more node."""
        raise NotImplementedError

    async def start(self, *others: Hello) -> None:
        for other in others:
            await self.come(other)
        self.discovery = await self.come(ME)
        await until(lambda: len(self.discovery.seen()) > len(others), "all are announced")

    async def end(self) -> None:
        for one in [*self._running]:
            await self.go(one)

    async def come(self, other: Hello) -> Discovery:
        discovery = Finder(self.place(), "the registry", lease_s=self._lease_s)
        self._running[other] = asyncio.create_task(discovery.run(other))
        return discovery

    async def go(self, other: Hello) -> None:
        task = self._running.pop(other)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()

    async def blind(self) -> None:
        for one in [*self._running]:
            if one != ME:
                await self.go(one)


class InMemory(Registered):
    """A registry in memory."""

    def __init__(self, *, lease_s: float = 2 * PATIENCE_S) -> None:
        super().__init__(lease_s=lease_s)
        self.registry = Registry(lease_s=lease_s)

    def place(self) -> Port:
        return Place(self.registry)

    async def blind(self) -> None:
        self.registry.forget()


class InDns:
    """Addresses that somebody else writes into the DNS, one name with a port for each."""

    discovery: Discovery

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._zone: Zone = self._stack.enter_context(dns_server())
        self._there: set[Hello] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self, *others: Hello) -> None:
        for other in others:
            await self.come(other)
        (url,) = registry_urls([f"dns+srv://_peer._tcp.test?server={self._zone.at}"])
        self.discovery = Finder(registry(url), str(url))
        self._task = asyncio.create_task(self.discovery.run(ME))
        await until(self.discovery.has_looked, "it has looked")

    async def end(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._stack.close()

    async def come(self, other: Hello) -> None:
        self._there.add(other)
        self._write()

    async def go(self, other: Hello) -> None:
        self._there.discard(other)
        self._write()

    async def blind(self) -> None:
        self._there.clear()
        self._write()

    def _write(self) -> None:
        lines = []
        for one in self._there:
            at = urlsplit(one.url)
            lines.append(f"_peer._tcp.test. 0 IN SRV 0 0 {at.port} {one.node}.test.")
            lines.append(f"{one.node}.test. 0 IN A {at.hostname}")
        self._zone.hold(*lines)


class OnServer(Registered):
    """A registry on a real server, where this world has a place of its own."""

    # There from the start on.
    server: Server[Any]

    def __init__(
        self,
        servers: Shared,
        kind: Callable[[], Any],
        *,
        lease_s: float = 2 * PATIENCE_S,
        parameters: str = "",
    ) -> None:
        super().__init__(lease_s=lease_s)
        self._servers, self._kind, self._parameters = servers, kind, parameters
        self.name = f"test-{secrets.token_hex(4)}"

    @property
    def url(self) -> str:
        """The URL for `--registry`."""
        return f"{self.server.url}/{self.name}{self._parameters}"

    def place(self) -> Port:
        (url,) = registry_urls([self.url])
        return registry(url, lease_s=self._lease_s)

    async def start(self, *others: Hello) -> None:
        self.server = await self._servers.get(self._kind)
        await super().start(*others)
