"""A discovery in memory: a registry to which nodes in one process announce themselves.

It is the smallest example of `ratchet_server.peering.ports.Discovery`. It has leases, as real
registries do: an announcement expires unless its node renews it.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

from ratchet.frames import Hello
from ratchet_server.peering.ports import Address

# How often a node renews its announcement, and looks.
RENEW_S: Final = 0.02

_log = logging.getLogger(__name__)


class Registry:
    """Holds announcements. A test may take it down, or let it forget all leases."""

    def __init__(self, *, lease_s: float) -> None:
        self._lease_s = lease_s
        # When the lease of each address ends.
        self._leases: dict[Address, float] = {}
        self.down = False
        self.forgetful = False
        # How many calls it has refused while it was down.
        self.refusals = 0

    def announce(self, address: Address) -> None:
        """Hold `address` for the length of a lease. Raises `ConnectionError`."""
        self._answer()
        if not self.forgetful:
            self._leases[address] = _now() + self._lease_s

    def withdraw(self, address: Address) -> None:
        """Forget `address`. Raises `ConnectionError`."""
        self._answer()
        self._leases.pop(address, None)

    def look(self) -> list[Address]:
        """All addresses that are announced now. Raises `ConnectionError`."""
        self._answer()
        return [address for address, until in self._leases.items() if until > _now()]

    def forget(self) -> None:
        """Act like a server that was frozen: all leases are over, and none is renewed yet."""
        self.forgetful = True
        self._leases.clear()

    def _answer(self) -> None:
        if self.down:
            self.refusals += 1
            raise ConnectionError("the registry is down")


class RegistryDiscovery:
    """One node at a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._seen: list[Address] = []

    async def run(self, me: Hello) -> None:
        """See the port, here and below."""
        own = Address(me.url, me.node, me.process)
        try:
            while True:
                try:
                    self._registry.announce(own)
                    self._seen = self._registry.look()
                except ConnectionError as error:
                    _log.debug("%s", error)
                await asyncio.sleep(RENEW_S)
        finally:
            # If this fails, the lease ends by itself.
            with suppress(ConnectionError):
                self._registry.withdraw(own)

    def seen(self) -> Sequence[Address]:
        return self._seen

    def expected(self) -> Collection[str]:
        return [address.url for address in self._seen]


def _now() -> float:
    return asyncio.get_running_loop().time()
