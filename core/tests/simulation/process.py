"""A running node: a real replica, and the driver that does all that `ratchet.replica` asks of one.

It ticks the replica four times a second, writes what is to be written, answers views when they are
on disk, and hands over when it drains, leaves or is superseded. Disks take their time, may stall
and may fail; whatever is not on disk when a process is killed is gone.
"""

from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from ratchet.changes import Changes
from ratchet.frames import Hello
from ratchet.replica import Replica
from ratchet.slot import Slot

from simulation.disk import Disk

Stage = Literal["serving", "draining", "leaving", "superseded"]

# How long a process that ends tries to hand over what it has.
HAND_OVER_S: Final = {"draining": 5.0, "leaving": 30.0, "superseded": 30.0}


@dataclass(frozen=True)
class Habits:
    """How the replicas of one run are set up."""

    # Rows in a frame, and rows that are lifted with one commit.
    chunk: int
    lifted: int
    grace_s: float
    retire_after_s: float | None


class Process:
    """One process of a node, from start to end. `World` gives it time, frames and views."""

    def __init__(
        self,
        place: str,
        number: int,
        disk: Disk,
        wall_ms: int,
        now: float,
        habits: Habits,
        seed: int,
    ) -> None:
        """`place` is where it runs: a name, with a `+` for each copy beside the living."""
        self.place = place
        self.name = place.rstrip("+")
        self.id = f"{sum(map(ord, place)):04x}{number:04x}{seed % 2**32:08x}"
        self.label = f"{place}#{number}"
        self.disk = disk
        self.rng = Random(f"{seed} {self.label}")
        self.alive = True
        self.stage: Stage = "serving"
        # When it gives up handing over; whether it has closed its slot; and until when it stands
        # still (SIGSTOP).
        self.deadline: float | None = None
        self.left = False
        self.frozen_until = 0.0
        self.missed: list[Callable[[], None]] = []
        # Its own clock: it only has to go forward.
        self._offset = self.rng.uniform(0, 1000) - now
        self.sane_clock = True
        # The disk: how many of the next commits fail, and how long each takes.
        self.failures = 0
        self.slow_s = 0.0
        self.writing: Changes | None = None
        # The write on its way has got to the disk, and the replica doesn't know.
        self.written = False
        # What was durable with the write on its way, to be answered.
        self.counted: Tally[str] = Tally()
        # Views that were promised to be told of only when a second disk has them.
        self.wants_peers = False
        # Views that have come and are on no disk yet, refused ones among them.
        self.viewed: Tally[str] = Tally()
        self.unshared: list[tuple[float, dict[Slot, int]]] = []
        # What the checks have seen of it.
        self.reached: Tally[str] = Tally()
        self.seen_folded: dict[str, int] = {}
        self.seen_closed: dict[str, int] = {}
        self.seen_slot: Slot | None = None
        self.seen_columns: set[Slot] = set()
        self.closings: dict[str, list[tuple[float, int]]] = {}
        self.claims: dict[Slot, tuple[int, int | None, int]] = {}
        self.replica = Replica(
            Hello(self.name, self.id, f"http://{self.name}:1234"),
            wall_ms,
            _unlike(8 * number + place.count("+")),
            self.clock(now),
            grace_s=habits.grace_s,
            retire_after_s=habits.retire_after_s,
            max_rows=habits.chunk,
            max_lifted=habits.lifted,
        )
        for part in disk.read():
            self.replica.restore(part)

    def __repr__(self) -> str:
        return self.label

    def clock(self, now: float) -> float:
        """What its own clock says."""
        return now + self._offset

    @property
    def peers(self) -> set[str]:
        """The processes that it is connected to."""
        return set(self.replica.peers.by_process)

    def view(self, video: str, views: int, peers: bool) -> bool:
        """Somebody views; False if that is refused. With `peers`, two disks are asked for."""
        if self.stage != "serving" or self.replica.tenure.superseded:
            return False
        self.replica.count(video, views)
        self.viewed[video] += views
        self.wants_peers |= peers
        return True

    def begin_write(self) -> bool:
        """Whether there is something to write, and no write on its way."""
        if self.writing is None:
            self.writing = self.replica.changes(confirm=self.wants_peers or self.stage != "serving")
            self.written = False
            return self.writing is not None
        return False

    def hand_over(self, now: float) -> bool | None:
        """Whether it ends now: True with all handed over, False because its patience is at an end;
        None if it doesn't."""
        if self.stage == "serving":
            return None
        if self.deadline is None:
            self.deadline = now + HAND_OVER_S[self.stage]
        replica = self.replica
        waits = replica.counting and any(replica.journal.waiting(video) for video in self.viewed)
        if self.writing is None and not waits:
            if self.stage == "leaving" and not self.left:
                replica.leave()
                self.left = True
                return None
            if self.stage == "draining":
                handed = bool(self.peers) and replica.holdings.shared(replica.holdings.own_seqs())
            else:
                handed = replica.unshared() == 0
            if handed:
                return True
        return False if now >= self.deadline else None


def _unlike(number: int) -> Callable[[int], int]:
    """A chance that gives each process of a run another number, and that can be replayed."""
    return lambda below: number * 37 % below
