"""A discovery: peers that are heard on a bus, and have just sent a part of something large.

What a node lacks when it starts may be millions of rows, and a broker is not made to carry them. So
the node dials the peer that sends them. Then the rest comes over a websocket, which the node hangs
up after a while. All small talk stays on the bus, and no cluster needs a socket for each pair of
its nodes.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from ratchet.frames import Hello

from ratchet_server.peering.ports import Address

# For how long a peer is dialled after its last part has come over the bus. If there is more when
# the websocket is hung up, the next part comes over the bus, and the peer is dialled again.
STAY_S: Final = 30.0
# How many peers are dialled at once. A node fetches the rows of one slot from one peer.
MOST: Final = 8


class OnDemand:
    """Sees the peers that were wanted of late."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        # When each was wanted last.
        self._wanted: dict[Address, float] = {}

    def want(self, peer: Hello) -> None:
        """This peer has sent a part of something large over a bus."""
        self._forget()
        address = Address(peer.url.rstrip("/"), peer.node, peer.process, passing=True)
        if address in self._wanted or len(self._wanted) < MOST:
            self._wanted[address] = self._clock()

    async def run(self, me: Hello) -> None:
        """Do nothing: the hello of `me` has its URL, and peers on the bus know it."""

    def seen(self) -> Sequence[Address]:
        """The addresses of these peers."""
        self._forget()
        return [*self._wanted]

    def expected(self) -> Sequence[str]:
        """No addresses: if a peer can't be dialled, the rest comes over the bus, too."""
        return ()

    def has_looked(self) -> bool:
        """There is nothing to wait for."""
        return True

    def is_late(self) -> bool:
        """There is nothing to look at."""
        return False

    def _forget(self) -> None:
        since = self._clock() - STAY_S
        self._wanted = {address: at for address, at in self._wanted.items() if at > since}
