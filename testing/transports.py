"""Small clusters in one process: real keepers on stores in memory, joined by any transport."""

import asyncio
import os
import random
import secrets
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

from ratchet.frames import Hello
from ratchet.options import DEFAULTS, Options
from ratchet.replica import Replica
from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.store import Store
from ratchet_server.http.backlog import Backlog
from ratchet_server.http.bounded_protocol import BoundedProtocol
from ratchet_server.http.guard import Guard
from ratchet_server.http.peer import peer
from ratchet_server.http.room import Room
from ratchet_server.http.server import listen
from ratchet_server.peering.addresses import Addresses
from ratchet_server.peering.bus.envelope import Seal
from ratchet_server.peering.bus.port import Bus
from ratchet_server.peering.bus.transport import BusTransport
from ratchet_server.peering.mesh import Mesh
from ratchet_server.peering.ports import Transport
from ratchet_server.peering.routes import Routes
from ratchet_server.peering.static import Static
from sanic import Blueprint, Sanic

from testing.accepting import stop_accepting
from testing.bus import Tap
from testing.links import Link, Links, Style
from testing.nodes import HOST, PATIENCE_S, free_port
from testing.witness import Witness

NAMES: Final = ("a", "b", "c")

# Sanic keeps all apps of a process by their names.
_numbers: Final = count(1)


async def until(holds: Callable[[], object], what: str) -> None:
    """Return as soon as `holds()` is true; fail, naming `what`, when it isn't in time."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE_S:.0f} s: {what}") from None


def open_sockets() -> int:
    """How many sockets this process has."""
    found = 0
    for descriptor in Path("/dev/fd").iterdir():
        # The folder's own descriptor is gone by now.
        with suppress(OSError):
            found += stat.S_ISSOCK(os.fstat(int(descriptor.name)).st_mode)
    return found


class Wire(Protocol):
    """What is between the nodes a, b and c: their transports, and ways to break it."""

    def url(self, name: str) -> str:
        """The URL at which peers reach this node."""

    def transport(self, me: Hello) -> AbstractAsyncContextManager[Transport]:
        """A transport for a process. It does not run yet."""

    def cut(self, name: str) -> None:
        """Let nothing pass between this node and the others, and break its connections."""

    def silence(self, name: str) -> None:
        """Let nothing pass between this node and the others, but break no connection."""

    def heal(self) -> None:
        """Let everything pass again."""


class OpenDoor:
    """A door through which everybody may come: see `ports.Door`."""

    def __init__(self, me: Hello) -> None:
        self._me = me

    # It looks at nobody, and the port's callers name the arguments.
    def introduce(self, peer: Hello | None, *, given: bool) -> Hello:  # noqa: ARG002
        return self._me

    def admit(self, peer: Hello, *, given: bool) -> None:
        pass

    def stranger(self, process: str) -> None:
        pass


class MeshWire:
    """Websockets through links that can be cut."""

    def __init__(self, links: Links) -> None:
        self._ports = {name: free_port() for name in NAMES}
        # By dialler and dialled node. A node is given its own address, too.
        self._links: dict[tuple[str, str], Link] = {
            (near, far): links.open(self._ports[far]) for near in NAMES for far in NAMES
        }

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self._ports[name]}"

    @asynccontextmanager
    async def transport(self, me: Hello) -> AsyncIterator[Transport]:
        given = Static(link.url for (near, _), link in self._links.items() if near == me.node)
        addresses = Addresses(me, [given], lambda _node: False)
        mesh = Mesh(me, addresses, OpenDoor(me), secret=None)
        with listen(HOST, self._ports[me.node]) as sock:
            async with served(peer(mesh, Guard(())), sock):
                yield mesh

    def cut(self, name: str) -> None:
        self._break(name, "reset")

    def silence(self, name: str) -> None:
        self._break(name, "silence")

    def heal(self) -> None:
        for link in self._links.values():
            link.heal()

    def _break(self, name: str, style: Style) -> None:
        for ends, link in self._links.items():
            if name in ends:
                link.cut(style)


@asynccontextmanager
async def served(calls: Blueprint, sock: socket.socket) -> AsyncIterator[None]:
    """These calls on `sock`, served as a node serves them."""
    app = Sanic[Any, Any](f"app-{next(_numbers)}", configure_logging=False)
    # Sanic speeds up its own classes for one app; a second one in this process would break them.
    app.config.TOUCHUP = False
    app.ctx.backlog = Backlog()
    app.ctx.room = Room(1000)
    app.blueprint(calls)
    server = await app.create_server(sock=sock, protocol=BoundedProtocol, access_log=False)
    assert server is not None
    # Sanic's server has no types, or wrong ones.
    await server.startup()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        await stop_accepting(server.server)  # type: ignore[arg-type]
        closing = server.close()  # type: ignore[no-untyped-call]
        for connection in tuple(server.connections):
            connection.abort()
        await until(lambda: not server.connections, "all connections have ended")
        if closing:
            await closing


class BusWire:
    """A bus, with a tap for each node."""

    def __init__(self, bus: Callable[[str], Bus], *, beat_s: float) -> None:
        """`bus` makes a node's bus, for a cluster of this name."""
        # One broker serves many tests.
        self._cluster = f"test-{secrets.token_hex(4)}"
        self._bus = bus
        self._beat_s = beat_s
        self._taps: dict[str, Tap] = {}

    def url(self, name: str) -> str:
        return f"http://{name}:1"

    @asynccontextmanager
    async def transport(self, me: Hello) -> AsyncIterator[Transport]:
        tap = self._taps[me.node] = Tap(self._bus(self._cluster))
        seal = Seal(self._cluster, ["a secret of this test"])
        yield BusTransport("test", tap, me, OpenDoor(me), seal, beat_s=self._beat_s)

    def cut(self, name: str) -> None:
        self._taps[name].cut()
        self._taps[name].mute()

    def silence(self, name: str) -> None:
        self._taps[name].mute()

    def heal(self) -> None:
        for tap in self._taps.values():
            tap.heal()


class Member:
    """One node of a small cluster: a keeper, its store, and a transport that a witness watches."""

    def __init__(
        self, me: Hello, transport: Transport, store: Store, options: Options = DEFAULTS
    ) -> None:
        self.name, self.process = me.node, me.process
        self.witness = Witness(transport, me.process)
        self.routes = Routes([self.witness])
        self.replica = Replica(
            me,
            wall_ms=lambda: time.time_ns() // 1_000_000,
            chance=random.SystemRandom().randrange,
            now=time.monotonic(),
            options=options,
        )
        self.keeper = Keeper(
            self.replica,
            store,
            key_lifetime_s=900,
            send=self.routes.send,
            unmet=lambda: self.routes.unmet(self.replica.table.newest.names()),
        )
        self._counting: asyncio.Task[None] | None = None
        self._peering: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start counting, and start the transport."""
        await self.keeper.load()
        self._counting = asyncio.create_task(self.keeper.run())
        self._peering = asyncio.create_task(self.routes.run(self.keeper))

    async def hang_up(self) -> None:
        """Cancel the transport. If it has ended with an error, raise that."""
        if peering := self._peering:
            self._peering = None
            peering.cancel()
            await asyncio.wait((peering,))
            if not peering.cancelled():
                peering.result()
                raise AssertionError("a transport has returned by itself")

    async def stop(self) -> None:
        """Hang up, write what is not yet written, and end."""
        try:
            await self.hang_up()
        finally:
            self.keeper.end()
            if self._counting:
                await self._counting
        assert not self.witness.broken, f"{self.name}: {self.witness.broken}"

    async def view(self, video: str, times: int = 1) -> None:
        """Count this many views."""
        for _ in range(times):
            await self.keeper.count_view(video, None, "disk")

    def reaches(self, *others: "Member") -> bool:
        """Whether it is connected to these processes and to no others."""
        processes = {other.process for other in others}
        assert self.routes.by_process().keys() == self.witness.joined
        return processes == self.witness.joined == self.replica.peers.by_process.keys()


class Cluster:
    """Nodes on one wire. Use it in an `async with` statement, which ends all nodes."""

    def __init__(self, wire: Wire, options: Options = DEFAULTS) -> None:
        self.wire = wire
        self._options = options
        self._stacks: dict[str, AsyncExitStack] = {}
        self._all = AsyncExitStack()

    async def __aenter__(self) -> "Cluster":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._all.aclose()

    async def make(self, name: str) -> Member:
        """A new process of this name, which does not run yet."""
        stack = self._stacks[name] = await self._all.enter_async_context(AsyncExitStack())
        me = Hello(name, secrets.token_hex(8), self.wire.url(name))
        store = await Store.open(None)
        stack.push_async_callback(store.close)
        transport = await stack.enter_async_context(self.wire.transport(me))
        member = Member(me, transport, store, self._options)
        stack.push_async_callback(member.stop)
        return member

    async def start(self, name: str) -> Member:
        """A new process of this name, which runs."""
        member = await self.make(name)
        await member.start()
        return member

    async def three(self) -> tuple[Member, Member, Member]:
        """a, b and c, all connected, and each with its slot open."""
        a, b, c = [await self.start(name) for name in NAMES]
        await connected(a, b, c)
        await until(lambda: all(one.replica.counting for one in (a, b, c)), "all have slots")
        return a, b, c

    async def stop(self, name: str) -> None:
        """End the process of this name, in order."""
        await self._stacks.pop(name).aclose()


async def connected(*members: Member) -> None:
    """Wait until each member is connected to all other members, and to no other process."""
    for one in members:
        others = [other for other in members if other is not one]
        await until(lambda one=one, others=others: one.reaches(*others), f"{one.name} is connected")  # type: ignore[misc]


async def agree(*members: Member) -> None:
    """Wait until all members have the same counts."""
    await until(
        lambda: len({one.replica.observe().fingerprint for one in members}) == 1,
        "all have the same",
    )
