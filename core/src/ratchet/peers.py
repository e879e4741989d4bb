"""Peers: the processes that this one is connected to, and those that our peers are connected to.

A connected process is alive, and its digest says every second to whom *it* is connected. So a
process that only one of us can reach is alive for all of us, and nobody takes its silence here for
its death.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ratchet.base import Base
from ratchet.frames import FLOORS_SINCE, NOTHING, VERSIONS, Alive, Digest, Extent, Hello
from ratchet.generations import Generations
from ratchet.slot import Slot


@dataclass(slots=True)
class Peer:
    """A process that this one is connected to."""

    hello: Hello
    # Its last digest, None before the first.
    digest: Digest | None = None
    # When that came.
    digest_at: float = float("-inf")
    # What it has confirmed to have on disk since its last digest.
    confirmed: dict[Slot, int] = field(default_factory=dict)
    # Its base differs from ours, and has not been fetched to its end.
    base_due: bool = True

    @property
    def version(self) -> int:
        """The version of the protocol in which we talk: the newest that both speak."""
        return self.hello.versions.common(VERSIONS) or VERSIONS.oldest

    @property
    def slot(self) -> Slot | None:
        """The slot that it counts in, as far as it has said."""
        return self.digest.slot if self.digest else None

    @property
    def knows_floors(self) -> bool:
        """Whether it takes maps with a floor."""
        return self.version >= FLOORS_SINCE

    def extent(self, slot: Slot) -> Extent:
        """How much of `slot` it has on disk, by its last digest."""
        return self.digest.slots.get(slot, NOTHING) if self.digest else NOTHING

    def durable(self, slot: Slot) -> int:
        """Up to which seq it has all of `slot` on disk."""
        return max(self.extent(slot).durable, self.confirmed.get(slot, 0))

    def has_base(self, base: Base, folded: Generations) -> bool:
        """Whether it has the same base on disk."""
        return bool(
            self.digest
            and self.digest.base_fingerprint == base.fingerprint
            and self.digest.folded == folded
        )


class Peers:
    """All connected processes."""

    def __init__(self, process: str) -> None:
        """`process`: the id of this process."""
        self.by_process: dict[str, Peer] = {}
        self._process = process

    def __iter__(self) -> Iterator[Peer]:
        return iter(self.by_process.values())

    def connected(self) -> dict[str, Alive]:
        """The processes that we are connected to."""
        return {
            process: Alive(
                peer.hello.node, peer.slot.generation if peer.slot else None, peer.hello.url
            )
            for process, peer in self.by_process.items()
        }

    def alive(self) -> dict[str, Alive]:
        """Every other process that is connected to us, or to one of our peers."""
        alive: dict[str, Alive] = {}
        for peer in self:
            if peer.digest:
                alive |= peer.digest.alive
        alive |= self.connected()
        alive.pop(self._process, None)
        return alive
