"""The port of registries: it says which addresses are registered now, and holds our own.

Every adapter passes the tests in `test_registries.py`, on its real server.

Read these traps before you write an adapter:

- A look is complete, or it raises. Half a list would say that nodes have gone.
- An empty list is an answer like another: a server that was frozen answers with it until nodes
  have renewed their leases. So never conclude from it that anybody has gone.
- A watch only wakes. It may end too early, and it may stay silent while the server is frozen. So
  `wait` returns in time whatever happens, and `Finder` looks again.
- `announce` is called again and again. A server may have forgotten us since: then register anew.
- Each call ends within `CALL_S`, or raises. `Finder` bounds it, too.
"""

from collections.abc import Collection
from typing import Final, Protocol

from ratchet_server.peering.ports import Address

# How long a registry holds an address that is not renewed.
LEASE_S: Final = 30.0
# How long one call may take.
CALL_S: Final = 3.0
# How many entries of one cluster a registry may have. A look that finds more raises: see
# `check_number`.
MOST_ENTRIES: Final = 1000


class RegistryError(Exception):
    """The registry did not do what was asked. So nothing is known, and nothing changes. The message
    says why, in words for operators. It holds no password."""


def check_number(entries: int) -> None:
    """Raise `RegistryError` if a look has found too many entries to read them all."""
    if entries > MOST_ENTRIES:
        raise RegistryError(
            f"has more than {MOST_ENTRIES} entries where nodes should be; give the cluster a place "
            "of its own there"
        )


class Registry(Protocol):
    """One cluster's place at a registry. Each call may raise `RegistryError`."""

    @property
    def announces(self) -> bool:
        """Whether nodes write their own addresses there. If not, somebody else maintains it."""

    async def look(self) -> Collection[Address]:
        """All addresses that are registered now. `Finder` checks them."""

    async def wait(self, at_most_s: float) -> None:
        """Return when something may have changed since the last look, or after `at_most_s`."""

    async def announce(self, own: Address) -> None:
        """Register `own`, or renew it, for the length of a lease."""

    async def withdraw(self) -> None:
        """Remove what `announce` has registered, if anything."""

    async def close(self) -> None:
        """Close all connections, without a word to the server. Nothing is called after it."""
