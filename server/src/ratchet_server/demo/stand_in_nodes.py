"""The stand-in balancer's nodes: which are ready, and which of them gets a request."""

from __future__ import annotations

import asyncio
import hashlib
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import closing

# As in haproxy.cfg.in.
CONNECT_TIMEOUT_S = 2.0
CHECK_INTERVAL_S = 1.0
CHECK_FAILURES = 2

_CHECK = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_READS = re.compile(r"/(api|assets|media|pyodide)/.*|/readyz|/favicon\.ico|/(view-)?count\.js")


class Node:
    """One node: its address, and whether it is ready."""

    def __init__(self, given: str) -> None:
        """`given`: `[NAME=]HOST:PORT`."""
        self.name, _, self.address = given.rpartition("=")
        self.ready = False
        self._failures = 0

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        """Open a connection to the node. Raises `OSError`."""
        host, _, port = self.address.rpartition(":")
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(host, int(port))

    async def check(self) -> None:
        """Check once. A node that passes is ready at once. After one failed check it stays ready,
        because a single response may get lost."""
        try:
            async with asyncio.timeout(CHECK_INTERVAL_S):
                reader, writer = await self.connect()
                with closing(writer):
                    writer.write(_CHECK)
                    status, _ = await read_status(reader)
        except OSError:
            status = 0
        self._failures = 0 if status == 200 else self._failures + 1
        self.ready = status == 200 or (self.ready and self._failures < CHECK_FAILURES)

    async def watch(self) -> None:
        """Check again and again, and print each change."""
        while True:
            before = self.ready
            await self.check()
            if self.ready != before:
                print(f"{self.address} is {'ready' if self.ready else 'not ready'}", flush=True)
            await asyncio.sleep(CHECK_INTERVAL_S)


async def read_status(node: StreamReader) -> tuple[int, bytes]:
    """The status of a response, and its first line. Raises `OSError` if the node is gone."""
    line = await node.readline()
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", line)
    if status is None:
        raise ConnectionAbortedError
    return int(status[1]), line


class Turns:
    """The order in which nodes get a request: by turns, by a view's key, by a page's `?node=`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        # Pages take turns apart from other reads. If they shared turns with their own files, a page
        # of six requests would get the same of three nodes each time.
        self._turns = {"pages": 0, "reads": 0, "views": 0}

    def for_read(self, path: str, query: str) -> list[Node]:
        """The ready nodes. The one that `?node=` names comes first; the name is not decoded."""
        pairs = (pair.partition("=") for pair in re.split("[&;]", query))
        names = {value for key, _, value in pairs if key == "node" and value}
        order = self._next("reads" if _READS.fullmatch(path) else "pages")
        return sorted(order, key=lambda node: node.name not in names)

    def for_view(self, key: bytes) -> list[Node]:
        """The ready nodes. The order is always the same for one key."""
        if not key:
            return self._next("views")

        # Rendezvous hashing: each key has its own order of all nodes. When a node is lost, only the
        # keys of that node move.
        def rank(node: Node) -> bytes:
            return hashlib.sha256(f"{node.address} ".encode() + key).digest()

        return sorted(self._ready(), key=rank, reverse=True)

    def _next(self, kind: str) -> list[Node]:
        ready = self._ready()
        turn = self._turns[kind] % max(1, len(ready))
        self._turns[kind] += 1
        return ready[turn:] + ready[:turn]

    def _ready(self) -> list[Node]:
        return [node for node in self._nodes if node.ready]
