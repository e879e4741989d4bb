"""A discovery: the addresses that peers report in their digests (`RATCHET_DISCOVER`)."""

from collections.abc import Callable, Mapping, Sequence

from ratchet.frames import Alive, Hello

from ratchet_server.peering.ports import Address


class Gossip:
    """Sees every process that a peer reports to be alive.

    It expects a node at none of these addresses, because a report can be wrong: a loopback address
    means another process on every machine.
    """

    def __init__(self, alive: Callable[[], Mapping[str, Alive]]) -> None:
        """`alive`: the processes that are connected to us, or to one of our peers."""
        self._alive = alive

    async def run(self, me: Hello) -> None:
        """Nothing to do: the hello of `me` has its url, and peers pass it on."""

    def seen(self) -> Sequence[Address]:
        """Also the processes that are connected: if one loses its connection and has forgotten our
        address, we still know where to dial it."""
        return [
            Address(alive.url.rstrip("/"), alive.node, process)
            for process, alive in self._alive().items()
        ]

    def expected(self) -> Sequence[str]:
        """None."""
        return ()
