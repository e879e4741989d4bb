"""Peers: the processes that this one is connected to, and those that our peers are connected to.

A connected process is alive, and its digest says every second to whom *it* is connected. So a
process that only one of us can reach is alive for all of us, and nobody takes its silence here for
its death.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ratchet.base import Base
from ratchet.days import Days
from ratchet.frames import (
    FLOORS_SINCE,
    NO_DAYS,
    NOTHING,
    VERSIONS,
    Alive,
    DaysExtent,
    Digest,
    Extent,
    Hello,
    Pulse,
)
from ratchet.generations import Generations
from ratchet.slot import Slot

# For how long a digest is evidence of what its sender has. A peer sends one every second.
FRESH_S: Final = 10.0
# Of so many processes we remember the last numbers, also of those that have left.
MAX_NUMBERS: Final = 20_000


@dataclass(slots=True)
class Peer:
    """A process that this one is connected to."""

    hello: Hello
    # Its last digest, None before the first: whole, or as far as its last pulse that we understood
    # says it (see `pulses`).
    digest: Digest | None = None
    # When it said that.
    digest_at: float = float("-inf")
    # Its last pulse, while we don't understand it, and when that came.
    riddle: Pulse | None = None
    riddle_at: float = float("-inf")
    # The hash of the rest that it said last, "" before it has; whether that was in a whole digest.
    rest: str = ""
    whole: bool = False
    # The slot that it counts in, as far as it has said, how much it has of that, and how many
    # changes of others it lacks.
    slot: Slot | None = None
    own: Extent = NOTHING
    lacks: int = 0
    # What it has said last of the days of its base. `NO_DAYS`: nothing, as it is of a version
    # without days, or sends to all on a bus where one is.
    days: DaysExtent = NO_DAYS
    # What it has confirmed to have on disk beside its digest.
    confirmed: dict[Slot, int] = field(default_factory=dict)
    # Its base differs from ours, and has not been fetched to its end.
    base_due: bool = True

    @property
    def version(self) -> int:
        """The version of the protocol in which we talk: the newest that both speak."""
        return self.hello.versions.common(VERSIONS) or VERSIONS.oldest

    @property
    def knows_floors(self) -> bool:
        """Whether it takes maps with a floor."""
        return self.version >= FLOORS_SINCE

    def evidence(self, now: float) -> Digest | None:
        """Its last digest, if nothing that it said later shows that this is out of date."""
        fresh = now - self.digest_at <= FRESH_S
        return self.digest if fresh and self.riddle is None else None

    def extent(self, slot: Slot) -> Extent:
        """How much of `slot` it has on disk, as far as it has said."""
        if slot == self.slot:
            return self.own
        return self.digest.slots.get(slot, NOTHING) if self.digest else NOTHING

    def durable(self, slot: Slot) -> int:
        """Up to which seq it has all of `slot` on disk."""
        return max(self.extent(slot).durable, self.confirmed.get(slot, 0))

    def has_base(self, base: Base, days: Days, folded: Generations) -> bool:
        """Whether it has the same base on disk, and on the same days if it tells of days."""
        return bool(
            self.digest
            and self.digest.base_fingerprint == base.fingerprint
            and self.digest.folded == folded
            and self.days in {NO_DAYS, (days.first, days.fingerprint)}
        )


class Peers:
    """All connected processes."""

    def __init__(self, process: str) -> None:
        """`process`: the id of this process."""
        self.by_process: dict[str, Peer] = {}
        self._process = process
        # The last number of each process, the one that spoke the longest ago first.
        self._numbers: dict[str, int] = {}

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
        # Many peers may share one digest.
        for digest in {id(peer.digest): peer.digest for peer in self}.values():
            if digest:
                alive |= digest.alive
        alive |= self.connected()
        alive.pop(self._process, None)
        return alive

    def is_news(self, number: int, process: str) -> bool:
        """Whether this number of a digest or a pulse is above all that came from `process` before,
        on this connection or an earlier one. Those without a number are."""
        if number == 0:
            return True
        last = self._numbers.pop(process, 0)
        self._numbers[process] = max(number, last)
        if len(self._numbers) > MAX_NUMBERS:
            del self._numbers[next(iter(self._numbers))]
        return number > last
