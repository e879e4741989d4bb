"""A registry in memory, to which nodes in one process announce themselves.

Its adapter is the smallest example of `ratchet_server.peering.registry.port.Registry`.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry.port import RegistryError

# How often a node looks.
LOOK_S: Final = 0.02


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
        """Hold `address` for the length of a lease. Raises `RegistryError`."""
        self._answer()
        if not self.forgetful:
            self._leases[address] = _now() + self._lease_s

    def withdraw(self, address: Address) -> None:
        """Forget `address`. Raises `RegistryError`."""
        self._answer()
        self._leases.pop(address, None)

    def look(self) -> list[Address]:
        """All addresses that are announced now. Raises `RegistryError`."""
        self._answer()
        return [address for address, until in self._leases.items() if until > _now()]

    def forget(self) -> None:
        """Act like a server that was frozen: all leases are over, and none is renewed yet."""
        self.forgetful = True
        self._leases.clear()

    def _answer(self) -> None:
        if self.down:
            self.refusals += 1
            raise RegistryError("is down")


class Place:
    """One node's adapter."""

    announces = True

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._own: Address | None = None

    async def look(self) -> Collection[Address]:
        """See the port, here and below."""
        return self._registry.look()

    async def wait(self, at_most_s: float) -> None:
        await asyncio.sleep(min(at_most_s, LOOK_S))

    async def announce(self, own: Address) -> None:
        self._own = own
        self._registry.announce(own)

    async def withdraw(self) -> None:
        if self._own:
            self._registry.withdraw(self._own)

    async def close(self) -> None:
        """It has no connection."""


def _now() -> float:
    return asyncio.get_running_loop().time()
