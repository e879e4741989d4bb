"""A discovery: the addresses that peers report in their digests (`RATCHET_DISCOVER`)."""

from collections.abc import Callable, Mapping, Sequence

from ratchet.frames import Alive, Hello

from ratchet_server.peering.ports import Address


class Gossip:
    """Sees every process that a peer reports to be alive.

    None of these addresses is `expected`, because a report can be wrong: a loopback address, for
    example, leads to another process on every machine.
    """

    def __init__(self, alive: Callable[[], Mapping[str, Alive]]) -> None:
        """`alive`: the processes that are connected to us, or to one of our peers."""
        self._alive = alive

    async def run(self, me: Hello) -> None:
        """Do nothing: the hello of `me` has its URL, and peers pass it on."""

    def seen(self) -> Sequence[Address]:
        """The addresses of all processes that are alive. They include the connected ones: if a
        connection breaks and the peer has forgotten our address, we still know where to dial."""
        return [
            Address(alive.url.rstrip("/"), alive.node, process)
            for process, alive in self._alive().items()
        ]

    def expected(self) -> Sequence[str]:
        """No addresses."""
        return ()

    def has_looked(self) -> bool:
        """There is nothing to wait for."""
        return True

    def is_late(self) -> bool:
        """There is nothing to look at."""
        return False
