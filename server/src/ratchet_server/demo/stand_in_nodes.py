"""The stand-in balancer's nodes: their addresses, which are ready, and which gets a request."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence

import httpx

# As in haproxy.cfg.in.
CHECK_INTERVAL_S = 1.0
CHECK_FAILURES = 2

_READS = re.compile(r"/(api|assets|media)/.*|/readyz|/favicon\.ico|/view-count\.js")
_NAME = re.compile("[a-z0-9-]{1,63}")


class Node:
    """One node: its address, and whether it is ready."""

    def __init__(self, given: str) -> None:
        """`given`: `[NAME=]HOST:PORT`. Raises `ValueError`."""
        self.name, self.address = split_name(given)
        split_address(self.address)
        self.ready = False
        self._failures = 0

    async def check(self, client: httpx.AsyncClient) -> None:
        """Check once. A node that passes is ready at once. It stays ready after one failed check,
        because a single response may get lost."""
        try:
            async with asyncio.timeout(CHECK_INTERVAL_S):
                answer = await client.get(f"http://{self.address}/readyz")
            ready = answer.status_code == 200
        except (httpx.TransportError, TimeoutError):
            ready = False
        self._failures = 0 if ready else self._failures + 1
        self.ready = ready or (self.ready and self._failures < CHECK_FAILURES)

    async def watch(self, client: httpx.AsyncClient) -> None:
        """Check again and again, and print each change."""
        while True:
            before = self.ready
            await self.check(client)
            if self.ready != before:
                print(f"{self.address} is {'ready' if self.ready else 'not ready'}", flush=True)
            await asyncio.sleep(CHECK_INTERVAL_S)


class Turns:
    """The order in which nodes get a request: by turns, by a view's key, by a page's `?node=`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        # Pages take turns apart from other reads. If they shared turns with their own files, a page
        # of six requests would get the same of three nodes each time.
        self._turns = {"pages": 0, "reads": 0, "views": 0}

    def for_read(self, path: str, query: str) -> list[Node]:
        """The ready nodes; first the one that `?node=` names, without any decoding."""
        pairs = (pair.partition("=") for pair in re.split("[&;]", query))
        names = {value for key, _, value in pairs if key == "node"}
        order = self._next("reads" if _READS.fullmatch(path) else "pages")
        return sorted(order, key=lambda node: node.name not in names)

    def for_view(self, key: str) -> list[Node]:
        """The ready nodes. The order is always the same for one key."""
        if not key:
            return self._next("views")

        # Rendezvous hashing: each key has its own order of all nodes. When a node is lost, only the
        # keys of that node move.
        def rank(node: Node) -> bytes:
            return hashlib.sha256(f"{node.address} {key}".encode()).digest()

        return sorted(self._ready(), key=rank, reverse=True)

    def _next(self, kind: str) -> list[Node]:
        ready = self._ready()
        turn = self._turns[kind] % max(1, len(ready))
        self._turns[kind] += 1
        return ready[turn:] + ready[:turn]

    def _ready(self) -> list[Node]:
        return [node for node in self._nodes if node.ready]


def split_address(address: str) -> tuple[str, int]:
    """Split `host:port`. Raises `ValueError` with a message for the user."""
    host, _, port = address.rpartition(":")
    if not host or re.fullmatch("[0-9]{1,5}", port) is None or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not HOST:PORT, for instance 127.0.0.1:1234")
    return host.removeprefix("[").removesuffix("]"), int(port)


def split_name(node: str) -> tuple[str | None, str]:
    """Split `name=host:port`. The name may be missing (None). Raises `ValueError`."""
    name, given, address = node.rpartition("=")
    if not given:
        return None, address
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{node!r} has no valid name: it is 1 to 63 of a-z 0-9 -")
    return name, address
