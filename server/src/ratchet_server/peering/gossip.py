"""A discovery: the addresses that peers tell in their digests (`RATCHET_DISCOVER`)."""

from collections.abc import Callable, Mapping, Sequence

from ratchet.frames import Alive, Hello

from ratchet_server.peering.ports import Address


class Gossip:
    """Every process that is alive, as far as any peer knows. None of them is expected: an address
    can be told wrongly (a loopback address means another process on every machine)."""

    def __init__(self, alive: Callable[[], Mapping[str, Alive]]) -> None:
        """`alive`: the processes that are connected to us, or to one of our peers."""
        self._alive = alive

    async def run(self, me: Hello) -> None:
        """Nothing to do: `me` says its url in its hello, and peers pass it on."""

    def seen(self) -> Sequence[Address]:
        """Also those that are connected: they may once be away, and not know us any more."""
        return [
            Address(alive.url.rstrip("/"), alive.node, process)
            for process, alive in self._alive().items()
        ]

    def expected(self) -> Sequence[str]:
        """None."""
        return ()
