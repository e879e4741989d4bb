"""The truth: which views owners have on their disks, and which of them may have been lost since.

A view is real once it is on the disk of the node that counted it; before that nobody may see it. It
can be lost in two ways:

- The last disk that had it is destroyed.
- Its slot is folded without the nodes that had it. Such a node was retired while it was cut off, or
  the node that folds never knew it: a cluster began in two halves, or began anew on an empty disk
  while all others were down. Nobody can ask a member that nobody knows.

`disk.merged` computes what the disks of a cluster have together. Every view that is missing there
must have been lost in one of these ways.
"""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from ratchet.changes import Changes
from ratchet.days import day_at
from ratchet.generations import Generations
from ratchet.slot import Slot

from simulation.disk import Disk, merged

# For so long peers may still believe that a destroyed disk has their rows: they learn it late.
MOURNED_S: Final = 20.0


class Broken(Exception):
    """An invariant is broken. `which`: its number in ARCHITECTURE.md, or a finer rule's name."""

    def __init__(self, which: str, text: str) -> None:
        super().__init__(which, text)
        self.which = which
        self.text = text

    def __str__(self) -> str:
        return f"{self.which}: {self.text}"


class Unlucky(Exception):
    """Two processes have drawn the same generation: both clocks were set back, and both drew the
    same one of a thousand numbers. The design accepts that; the run proves nothing."""


class Truth:
    """The history of every slot, the sum of all, and which views are lost."""

    def __init__(self) -> None:
        self.total: Tally[str] = Tally()
        self.lost: Tally[str] = Tally()
        # The views that folds have put at risk: those of nodes that were cut off and retired then.
        # They are lost when the base that has them meets a larger base.
        self.risked: Tally[str] = Tally()
        # By day and video: the views in the slots of that day.
        self.by_day: Tally[tuple[int, str]] = Tally()
        # Entry n is what the slot's owner had counted of each video at seq n.
        self.history: dict[Slot, list[dict[str, int]]] = {}
        # The process that opened each slot, and whether its clock was right.
        self.owner: dict[Slot, str] = {}
        self._sane: dict[Slot, bool] = {}
        # The time that its generation names, if the clock of its process was right: its process may
        # have been stopped before it opened its slot.
        self.started_s: dict[Slot, float] = {}
        # Slots that were closed before they were opened, because a clock is wrong or was.
        self.stillborn: set[Slot] = set()
        # The folds that are on any disk.
        self.folded = Generations()
        # The views of each folded slot at the replica that folded it first.
        self.agreed: dict[Slot, dict[str, int]] = {}
        # Disks that are gone: since when, and whether everything on them was handed over before.
        self._graves: list[tuple[float, Disk, bool]] = []

    def opened(
        self, slot: Slot, process: str, started_s: float, *, sane_clock: bool, right_clock: bool
    ) -> None:
        """`process` counts in `slot` from now on."""
        if right_clock:
            self.started_s.setdefault(slot, started_s)
        owner = self.owner.setdefault(slot, process)
        if owner != process:
            if not (sane_clock or self._sane[slot]):
                raise Unlucky
            raise Broken("8", f"{slot} has two owners: {owner} and {process}")
        self._sane[slot] = sane_clock
        below = any(
            other.node == slot.node and other.generation > slot.generation for other in self.history
        )
        if below or (self.folded.covers(slot) and not sane_clock):
            self.stillborn.add(slot)
        self.history.setdefault(slot, [{}])

    def latest(self, slot: Slot) -> dict[str, int]:
        """The views of each video that the owner of `slot` has on its disk."""
        history = self.history.get(slot)
        return history[-1] if history else {}

    def at(self, slot: Slot, seq: int) -> dict[str, int]:
        """The views of each video that the owner of `slot` had counted at `seq`."""
        history = self.history.get(slot, [{}])
        if seq >= len(history):
            raise Broken(
                "8", f"{slot} is claimed up to {seq}, but its owner ended at {len(history) - 1}"
            )
        return history[seq]

    def count(self, changes: Changes, process: str) -> Tally[str]:
        """`process` has written `changes`. Return its own new views: they are real from now on."""
        new: Tally[str] = Tally()
        for slot, _, rows in changes.columns:
            history = self.history.get(slot)
            if history is None:
                raise Broken("6", f"{process} writes rows of {slot}, which nobody ever opened")
            for video, views, seq in rows:
                before = history[-1].get(video, 0)
                if self.owner[slot] == process and seq == len(history):
                    history.append(history[-1] | {video: views})
                    new[video] += views - before
                    self.by_day[day_at(slot.generation), video] += views - before
                elif views > before:
                    raise Broken(
                        "8",
                        f"{process} writes {views} views of {video} into {slot}, but its owner has "
                        f"{before}",
                    )
        self.total += new
        return new

    def mourn(self, disk: Disk, now: float, handed_over: bool = False) -> None:
        """`disk` is gone."""
        self._graves.append((now, disk, handed_over))

    def graves(self, now: float, handed_over: bool = False) -> list[Disk]:
        """The disks that are gone and that peers may still rely on. `handed_over`: also those whose
        node handed over first."""
        return [
            disk
            for time, disk, handed in self._graves
            if now - time <= MOURNED_S and (handed_over or not handed)
        ]

    def settle(self, disks: Iterable[Disk], allowed: Tally[str] | None, why: str) -> int:
        """Compare all disks together with the truth, and return how many views are lost now.

        A view that is missing must be lost already, be `allowed` to be lost now (None: all are), or
        be at risk. A view that has come back, by a replayed frame or an old backup, is not lost.
        """
        there = merged(disks)
        lost = 0
        for video, total in self.total.items():
            missing = total - there[video]
            if missing < 0:
                raise Broken("1", f"{video}: the disks have {-missing} views too many")
            more = missing - self.lost[video]
            if allowed is not None and more > allowed[video]:
                if more > allowed[video] + self.risked[video]:
                    raise Broken("5", f"{more} views of {video} are on no disk any more: {why}")
                self.risked[video] -= more - allowed[video]
            self.lost[video] = missing
            lost += max(0, more)
        return lost

    def newly_folded(self, folded: Generations) -> list[Slot]:
        """The slots in `folded` that no disk had folded before."""
        return [
            slot for slot in self.history if folded.covers(slot) and not self.folded.covers(slot)
        ]

    def fold(self, folded: Generations) -> None:
        """A disk has these folds now."""
        self.folded.merge(folded)

    def counted_too_late(self, changes: Changes, process: str) -> Slot | None:
        """The slot in which `process` writes new views, if a disk has folded it already."""
        for slot, _, rows in changes.columns:
            if rows and self.owner.get(slot) == process and self.folded.covers(slot):
                return slot
        return None
