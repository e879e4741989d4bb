"""The truth: what owners have brought to their disks, and what of it may have been lost since.

A view is real once it is on the disk of the node that counted it; before that nobody may see it.
It is lost when the last disk that had it is destroyed, or when its slot was folded while those who
had it were cut off, retired, or had never been heard of by whoever folded it (a cluster that begins
in two halves, or anew from an empty disk while all others are down: nobody can ask a member of whom
nobody knows). Both are computed, not guessed: `Disk.merged` is what the disks of a
cluster have together, and whatever is missing there must have one of these two reasons.
"""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from ratchet.changes import Changes
from ratchet.generations import Generations
from ratchet.slot import Slot

from simulation.disk import Disk, merged

# A destroyed disk still counts as one that had something for so long: others learn late of it.
MOURNED_S: Final = 20.0


class Broken(Exception):
    """An invariant doesn't hold. `which`: its number in the design, or a word for a finer rule."""

    def __init__(self, which: str, text: str) -> None:
        super().__init__(which, text)
        self.which = which
        self.text = text

    def __str__(self) -> str:
        return f"{self.which}: {self.text}"


class Unlucky(Exception):
    """Two processes have drawn the same generation, which the design takes as too rare to mind:
    both clocks were set back and both drew the same of a thousand numbers. The run is no proof."""


class Truth:
    """Every slot's history, the sum of all, and the ledger of losses."""

    def __init__(self) -> None:
        self.total: Tally[str] = Tally()
        self.lost: Tally[str] = Tally()
        # What a fold has put at risk: views of nodes that were cut off, retired, when it happened.
        # They are lost when what they have in their base meets a larger base.
        self.risked: Tally[str] = Tally()
        # Entry n is what the slot's owner had counted of each video at seq n.
        self.history: dict[Slot, list[dict[str, int]]] = {}
        # The process that opened each slot, and whether its clock was right.
        self.owner: dict[Slot, str] = {}
        self._sane: dict[Slot, bool] = {}
        # Slots below a closing that their owners could not hear of: a clock was or is wrong.
        self.stillborn: set[Slot] = set()
        # Joined over all disks; and what the first to fold a slot had of it.
        self.folded = Generations()
        self.agreed: dict[Slot, dict[str, int]] = {}
        # Disks that are gone, since when, and whether all of them had been handed over.
        self._graves: list[tuple[float, Disk, bool]] = []

    def opened(self, slot: Slot, process: str, sane_clock: bool) -> None:
        """`process` counts in `slot` from now on."""
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
        """What the owner of `slot` has on its disk."""
        history = self.history.get(slot)
        return history[-1] if history else {}

    def at(self, slot: Slot, upto: int) -> dict[str, int]:
        """What the owner had counted at `upto`."""
        history = self.history.get(slot, [{}])
        if upto >= len(history):
            raise Broken(
                "8", f"{slot} is claimed up to {upto}: its owner got to {len(history) - 1}"
            )
        return history[upto]

    def count(self, changes: Changes, process: str) -> Tally[str]:
        """`changes` of `process` are on its disk: its new views, which are real from now on."""
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
                elif views > before:
                    raise Broken(
                        "8",
                        f"{process} writes {views} of {video} into {slot}: its owner has {before}",
                    )
        self.total += new
        return new

    def mourn(self, disk: Disk, now: float, handed_over: bool = False) -> None:
        """`disk` is gone."""
        self._graves.append((now, disk, handed_over))

    def graves(self, now: float, handed_over: bool = False) -> list[Disk]:
        """Destroyed disks that somebody may still believe in; or those, too, that were given back
        after handing over."""
        return [
            disk
            for time, disk, handed in self._graves
            if now - time <= MOURNED_S and (handed_over or not handed)
        ]

    def settle(self, disks: Iterable[Disk], allowed: Tally[str] | None, why: str) -> int:
        """What is missing on all disks together must be lost already, or be `allowed` to be lost
        now; None allows all. What has come back (a replayed frame, an old backup) isn't lost.
        How many are lost now."""
        there = merged(disks)
        lost = 0
        for video, total in self.total.items():
            missing = total - there[video]
            if missing < 0:
                raise Broken("1", f"{video}: {-missing} more on the disks than were ever counted")
            more = missing - self.lost[video]
            if allowed is not None and more > allowed[video]:
                if more > allowed[video] + self.risked[video]:
                    raise Broken("5", f"{more} views of {video} are on no disk any more: {why}")
                self.risked[video] -= more - allowed[video]
            self.lost[video] = missing
            lost += max(0, more)
        return lost

    def newly_folded(self, folded: Generations) -> list[Slot]:
        """The slots that nobody had folded on disk before."""
        return [
            slot for slot in self.history if folded.covers(slot) and not self.folded.covers(slot)
        ]

    def fold(self, folded: Generations) -> None:
        """A disk has folded so far."""
        self.folded.merge(folded)

    def counted_too_late(self, changes: Changes, process: str) -> Slot | None:
        """The slot in which `process` counts, if others have folded it already."""
        for slot, _, rows in changes.columns:
            if rows and self.owner.get(slot) == process and self.folded.covers(slot):
                return slot
        return None
