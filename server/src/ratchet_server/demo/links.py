"""The links between the demo's nodes: a TCP relay for each direction, which a page can cut.

Node a reaches b through one link, and b reaches a through another. So everything that two nodes
send each other passes here. While a node is cut off, it and the other nodes can't reach each other,
but browsers reach it as before. After healing, the nodes find each other when they dial next,
within seconds.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from itertools import permutations
from typing import Literal

from ratchet_server.demo.machine import HOST

_CHUNK_BYTES = 64 * 1024

# Bytes go "there" from the side that dialled, and come "back" to it.
Way = Literal["there", "back"]


async def _at_once(_way: Way | None) -> None:
    pass


class Link:
    """One direction: a program that dials `url` reaches `target` while the link is whole.

    Use it inside one event loop. A new link is whole.
    """

    def __init__(
        self,
        target: int,
        may_pass: Callable[[Way | None], Awaitable[None]] = _at_once,
        *,
        host: str = HOST,
        port: int = 0,
    ) -> None:
        """`target`: a port of `host`; a program may listen there later. The link awaits `may_pass`
        before it dials the target (None), and before it sends each chunk on. `port`: where it
        listens; 0 takes any that is free."""
        self._target = (host, target)
        self._may_pass = may_pass
        # This socket is bound and never listens. It shares the port with the listener, and keeps
        # the port while the link is cut: then the kernel refuses connections, and no other program
        # can take the port.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._place.bind((HOST, port))
        self.port: int = self._place.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self._listener: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.heal()

    def cut(self) -> None:
        """From now on nothing passes: open connections break, and the kernel refuses new ones."""
        if self._listener:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            connection.cancel()

    def heal(self) -> None:
        """From now on everything passes. A link that is whole stays whole."""
        if self._listener is None:
            self._listener = socket.create_server((HOST, self.port), reuse_port=True)
            self._listener.setblocking(False)
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def broken(self) -> None:
        """Return when all connections that `cut` breaks are closed."""
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def close(self) -> None:
        """Cut the link for good, and free its port."""
        self.cut()
        self._place.close()
        await self.broken()

    def _accept(self, listener: socket.socket) -> None:
        # Accept here, and not in a task: a task that is cancelled just then would lose the socket.
        try:
            near, _ = listener.accept()
        except OSError:
            return  # The dialler has gone again.
        near.setblocking(False)
        task = asyncio.create_task(self._relay(near))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # Close it here: a task that is cancelled before its first step never runs.
        task.add_done_callback(lambda _: near.close())

    async def _relay(self, near: socket.socket) -> None:
        with socket.socket() as far:
            far.setblocking(False)
            try:
                await self._may_pass(None)
                await asyncio.get_running_loop().sock_connect(far, self._target)
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._pass(near, far, "there"))
                    ways.create_task(self._pass(far, near, "back"))
            except* (OSError, asyncio.CancelledError):
                # One end broke, or the link was cut: reset both ends, instead of closing in order.
                for sock in (near, far):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _pass(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await loop.sock_recv(source, _CHUNK_BYTES):
            await self._may_pass(way)
            await loop.sock_sendall(sink, chunk)
        await self._may_pass(way)
        sink.shutdown(socket.SHUT_WR)


class Links:
    """The wire of websockets: a link from each node to each other node. See `wires.Wire`."""

    description = "websockets, each through a relay of the demo's"
    why_uncut = None

    def __init__(self, ports: Mapping[str, int]) -> None:
        """`ports`: the port on which each node listens, now or later."""
        self._links = {pair: Link(ports[pair[1]]) for pair in permutations(ports, 2)}
        self._cut: set[str] = set()

    @property
    def cut(self) -> frozenset[str]:
        """The nodes that are cut off."""
        return frozenset(self._cut)

    def urls(self, dialler: str) -> list[str]:
        """The URLs at which `dialler` reaches the other nodes."""
        return [link.url for pair, link in self._links.items() if pair[0] == dialler]

    def environ(self, node: str) -> dict[str, str]:
        """See `wires.Wire`."""
        return {"RATCHET_PEER": ",".join(self.urls(node)), "RATCHET_BUS": ""}

    def cut_off(self, node: str) -> None:
        """From now on this node and the others can't reach each other."""
        self._cut.add(node)
        for pair, link in self._links.items():
            if node in pair:
                link.cut()

    def heal(self, node: str) -> None:
        """Make the node's links whole again, except those to nodes that are cut off themselves."""
        self._cut.discard(node)
        for pair, link in self._links.items():
            if self._cut.isdisjoint(pair):
                link.heal()

    async def close(self) -> None:
        """Close all links for good."""
        await asyncio.gather(*(link.close() for link in self._links.values()))
