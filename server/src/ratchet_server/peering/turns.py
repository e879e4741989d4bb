"""Names of several hosts: which host to dial next.

The name of a service may have an address for each node. A resolver returns them in any order, and
many systems sort them, so that the first one is always the same. So dial one after the other. The
URL keeps the name, for TLS and for proxies that look at it.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Resolve = Callable[[str, int], Awaitable[Sequence[tuple[Any, ...]]]]


async def resolve(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """What the system knows. Raises `OSError`."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Turn(NamedTuple):
    """The IP address to dial, and how many the name has; and to how many hosts they seem to
    belong."""

    address: str
    of: int
    hosts: int


class Turns:
    """The next host of each URL."""

    def __init__(self, resolve: Resolve = resolve) -> None:
        self._resolve = resolve
        self._next: dict[str, int] = {}

    async def next(self, url: str) -> Turn:
        """Whom to dial now. The name is looked up each time. Raises `OSError`."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            return Turn(str(ip_address(host)), 1, 1)
        except ValueError:
            pass
        found = {(info[0], info[4][0]) for info in await self._resolve(host, parts.port or 0)}
        if not found:
            raise OSError(f"{host} has no address")
        turn = self._next.get(url, random.randrange(len(found)))
        self._next[url] = turn + 1
        ordered = sorted(address for _, address in found)
        # A host may have one address of each kind.
        families = [family for family, _ in found]
        hosts = max(map(families.count, families))
        return Turn(ordered[turn % len(ordered)], len(ordered), hosts)
