"""Who else is there: the processes that this one is connected to, and those that they hear.

Whoever is connected is alive, and says so every second in its digest, with whom *it* hears. So a
process that only one of us can reach is alive for all of us, and nobody takes its silence here for
its death.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ratchet.base import Base
from ratchet.frames import Alive, Digest, Extent, Hello
from ratchet.generations import Generations
from ratchet.slot import Slot

NOTHING = Extent(0, 0)


@dataclass(slots=True)
class Peer:
    """A process that this one is connected to."""

    hello: Hello
    # Its last digest; None until it has said one.
    digest: Digest | None = None
    # What it has told to have on disk, out of turn.
    has: dict[Slot, int] = field(default_factory=dict)
    # Its base column differs from ours and has not been fetched to its end.
    base_due: bool = True

    @property
    def slot(self) -> Slot | None:
        """Where it counts, as far as it has said."""
        return self.digest.slot if self.digest else None

    def extent(self, slot: Slot) -> Extent:
        """What it has said of `slot`."""
        return self.digest.slots.get(slot, NOTHING) if self.digest else NOTHING

    def claim(self, slot: Slot) -> int:
        """Up to where it has `slot` on disk."""
        return max(self.extent(slot).upto, self.has.get(slot, 0))

    def has_base(self, base: Base, folded: Generations) -> bool:
        """Whether it has the same base on disk."""
        return bool(
            self.digest and self.digest.base == base.fingerprint and self.digest.folded == folded
        )


class Peers:
    """All that are connected."""

    def __init__(self, process: str) -> None:
        """`process`: who we are ourselves."""
        self.by_process: dict[str, Peer] = {}
        self._process = process

    def __iter__(self) -> Iterator[Peer]:
        return iter(self.by_process.values())

    def alive(self) -> dict[str, Alive]:
        """Every other process that is heard by us, or by somebody whom we hear."""
        alive: dict[str, Alive] = {}
        for peer in self:
            if peer.digest:
                alive |= peer.digest.alive
        alive |= self.heard_here()
        alive.pop(self._process, None)
        return alive

    def heard_here(self) -> dict[str, Alive]:
        """Those that we are connected to."""
        return {
            process: Alive(
                peer.hello.node, peer.slot.generation if peer.slot else None, peer.hello.url
            )
            for process, peer in self.by_process.items()
        }
