"""What must hold, by the numbers of the design's list, and some finer rules that have a name there.

`touched` looks at what a step may have changed of one process; `rest` at everything.

    1  no value above the truth             6  no slots but open ones and closed, unfolded ones
    2  no value falls                       7  (replays) none of the others breaks by them
    3  no node forgets what it answered     8  nobody raises another's slot, nor a closed one
    4  the algebra of merge and lift        9  a kill or a second closing: before or after
    5  equal, and nothing lost
    claim    a digest claims only what is on disk
    base     bases are merged only where the same slots have been folded into them
    barrier  folded only when all that may have more have agreed, and after the grace
    shared   what is said to be on another disk is on another disk
"""

from collections import Counter as Tally
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from ratchet.changes import Changes
from ratchet.counter import Counter
from ratchet.frames import BaseRows, Digest, Extent, Frame, Have
from ratchet.generations import Generations, join
from ratchet.slot import Slot

from simulation.disk import Disk
from simulation.process import Process
from simulation.truth import Broken

if TYPE_CHECKING:
    from simulation.world import World

# A member's disk that has been down for so long can't have been taken for a living one.
SURELY_MISSED_S: Final = 20.0
# How long it may take from a new connection to a digest that tells of what came over it.
RETURNED_S: Final = 6.0


class Invariants:
    """The checks of one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._truth = world.truth
        # What has been folded by anybody, in memory.
        self._folded = Generations()
        # Who had been closed and was cut off when a slot was folded.
        self._cut_off: dict[Slot, list[Disk]] = {}

    # -- after every step ------------------------------------------------------------------

    def touched(self, process: Process) -> None:
        """Something has happened to `process`."""
        replica = process.replica
        self._opened(process)
        if replica.table.folded != process.seen_folded:
            self._folds(process)
        if replica.table.columns.keys() != process.seen_columns:
            self._slots(process)
        changed, replica.table.changed = replica.table.changed, set()
        for video in changed:
            self._video(process, video)

    def _opened(self, process: Process) -> None:
        slot = process.replica.table.own
        if slot is not None and slot != process.seen_slot:
            self._truth.opened(slot, process.label, process.sane_clock)
            process.seen_slot = process.disk.own = slot

    def all(self, process: Process) -> None:
        """Everything that holds of a replica at any moment."""
        replica = process.replica
        self._slots(process)
        for video in self._world.videos:
            self._video(process, video)
            if replica.table.counter(video).value != replica.table.value(video):
                raise Broken("4", f"{process} has two values of {video}")
        self._digest(process, replica.digest())

    def _video(self, process: Process, video: str) -> None:
        value = process.replica.table.value(video)
        if value > self._truth.total[video]:
            raise Broken(
                "1", f"{process} counts {value} of {video}: there were {self._truth.total[video]}"
            )
        if value < process.reached[video]:
            raise Broken(
                "2", f"{video} falls at {process} from {process.reached[video]} to {value}"
            )
        process.reached[video] = value
        if value < process.disk.answered[video]:
            raise Broken(
                "3",
                f"{process} counts {value} of {video}: its node has answered "
                f"{process.disk.answered[video]}",
            )
        for columns in (process.replica.table.columns, process.replica.table.lifting):
            for slot, column in columns.items():
                if column.views(video) > self._truth.latest(slot).get(video, 0):
                    raise Broken("8", f"{process} has more of {video} in {slot} than its owner")

    def _slots(self, process: Process) -> None:
        process.seen_columns = set(process.replica.table.columns)
        for slot in process.seen_columns:
            if slot not in self._truth.history:
                raise Broken("6", f"{process} has {slot}, which nobody ever opened")
            if process.replica.table.folded.covers(slot):
                raise Broken("6", f"{process} still has {slot}, which it has folded")
            if slot in process.replica.table.lifting:
                raise Broken("6", f"{process} has {slot} twice")

    # -- writing ---------------------------------------------------------------------------

    def writes(self, process: Process, changes: Changes) -> None:
        """`process` is about to write."""
        for slot, _, rows in changes.columns:
            latest = self._truth.latest(slot)
            own = self._truth.owner.get(slot) == process.label
            closed = process.replica.table.closed.covers(slot)
            if own and closed and any(row.views > latest.get(row.video, 0) for row in rows):
                raise Broken("8", f"{process} raises {slot}, which it knows to be closed")

    def wrote(self, process: Process, before: Tally[str]) -> None:
        """A transaction is on disk; `before`: what its disk counted before it."""
        for video, value in before.items():
            if process.disk.value(video) < value:
                raise Broken("2", f"{video} falls on the disk of {process}")

    def viewed(self, process: Process) -> None:
        """New views of `process` are on disk: somebody must have viewed."""
        for video, left in process.viewed.items():
            if left < 0:
                raise Broken("1", f"{process} counts {-left} views of {video} that nobody made")

    def restored(self, process: Process) -> None:
        """A process has read its disk."""
        for video in self._world.videos:
            there, here = process.disk.value(video), process.replica.table.value(video)
            if there != here:
                raise Broken("9", f"{process} reads {here} of {video} from a disk with {there}")
        self.all(process)

    # -- talking ---------------------------------------------------------------------------

    def sent(self, process: Process, frame: Frame) -> None:
        """`process` says `frame`."""
        self._opened(process)
        if isinstance(frame, Digest):
            self._digest(process, frame)
        elif isinstance(frame, Have):
            self._claim(process, frame.slot, Extent(frame.durable, None))

    def _digest(self, process: Process, digest: Digest) -> None:
        for slot, extent in digest.slots.items():
            said = (*extent, process.disk.version)
            if process.claims.get(slot) != said:
                self._claim(process, slot, extent)
                process.claims[slot] = said
        if digest.base_fingerprint not in (None, process.disk.base_fingerprint()):
            raise Broken("claim", f"{process} tells of another base than its disk has")

    def _claim(self, process: Process, slot: Slot, extent: Extent) -> None:
        disk = process.disk
        if disk.folded.covers(slot):
            return
        for video, views in self._truth.at(slot, extent.durable).items():
            if disk.count(slot, video) < views:
                raise Broken(
                    "claim",
                    f"{process} claims {slot} up to {extent.durable}, and has "
                    f"{disk.count(slot, video)} of {views} views of {video} on disk",
                )
        if self._truth.owner[slot] == process.label and process.written:
            return  # Its newest rows are on disk, and it doesn't know yet.
        if extent.fingerprint not in (None, disk.fingerprint(slot)):
            raise Broken("claim", f"{process} tells of other rows of {slot} than its disk has")

    def merged_base(self, process: Process, frame: BaseRows) -> None:
        """The base of `process` has grown by `frame`. (The larger of two bases is only right where
        the same slots are in both.)"""
        if frame.folded != process.replica.table.folded:
            raise Broken("base", f"{process} merges a base with {frame.folded} folded into its own")

    def shared(self, process: Process, extents: dict[Slot, int]) -> None:
        """`process` says that these are on some other disk."""
        gone = self._truth.graves(self._world.agenda.now, handed_over=True)
        others = [disk for disk in [*self._world.disks(), *gone] if disk is not process.disk]
        for slot, upto in extents.items():
            need = self._truth.at(slot, upto)
            if not any(
                disk.folded.covers(slot)
                or all(disk.count(slot, video) >= views for video, views in need.items())
                for disk in others
            ):
                raise Broken("shared", f"{process} says that others have {slot} up to {upto}")

    def retired(self, process: Process, name: str) -> None:
        """`process` lets `name` be retired."""
        for other in self._world.running():
            if other.name == name and other.id in process.peers and other is not process:
                raise Broken("retire", f"{process} retires {other}, to which it is connected")

    # -- folding ---------------------------------------------------------------------------

    def _folds(self, process: Process) -> None:
        replica = process.replica
        before, process.seen_folded = process.seen_folded, dict(replica.table.folded)
        if any(g > replica.table.closed.get(node, -1) for node, g in replica.table.folded.items()):
            raise Broken("barrier", f"{process} has folded what isn't closed")
        for node, generation in replica.table.folded.items():
            if generation > self._folded.get(node, -1):
                self._first_fold(process, node, generation)
                self._folded = join(self._folded, {node: generation})
            elif generation != before.get(node):
                self._world.tally["fold heard of from others"] += 1

    def _first_fold(self, process: Process, node: str, generation: int) -> None:
        """Nobody had folded these slots before `process` does."""
        now, disk, replica = self._world.agenda.now, process.disk, process.replica
        self._world.tally["fold"] += 1
        known = [time for time, g in process.closings.get(node, []) if g >= generation]
        if not known or now - known[0] < self._world.setup.habits.grace_s - 1e-3:
            raise Broken("barrier", f"{process} folds {node}@{generation} within the grace")
        slots = [
            slot
            for slot in self._truth.history
            if slot.node == node and self._folded.get(node, -1) < slot.generation <= generation
        ]
        cut_off: list[Disk] = []
        members: list[Disk] = []
        for slot in slots:
            self._cut_off[slot] = cut_off
            self._truth.agreed[slot] = {row.video: row.views for row in
                                        disk.rows.get(slot, {}).values()}  # fmt: skip
        for other, down_since in self._world.states():
            if other is disk:
                continue
            if not self._is_member(process, other):
                cut_off.append(other)
                if other.own and not replica.table.closed.covers(other.own):
                    self._world.tally["fold by one who had never heard of a member"] += 1
                continue
            members.append(other)
            if down_since is not None and now - down_since > SURELY_MISSED_S:
                raise Broken(
                    "barrier", f"{process} folds {node} while {other.own}, not retired, is down"
                )
        # One that was cut off for longer than the grace may have come back this very moment, and
        # have told a member what that one has not told on yet.
        returned = now - self._world.network.last_joined < RETURNED_S
        self._asked(process, node, generation, slots)
        for slot in slots:
            for other in members:
                if other.folded.covers(slot) or returned:
                    continue
                for video, views, _ in other.rows.get(slot, {}).values():
                    # What a cut off one has may just have come to a member after it agreed.
                    known_to = max((it.count(slot, video) for it in cut_off), default=0)
                    if views > max(disk.count(slot, video), known_to):
                        raise Broken(
                            "barrier",
                            f"{process} folds {slot} with {disk.count(slot, video)} views of "
                            f"{video}: member {other.own} has {views} on disk",
                        )

    def _asked(self, process: Process, node: str, generation: int, slots: list[Slot]) -> None:
        """All to whom `process` is connected have agreed: it folds what they know to be closed,
        and nothing of which they have less."""
        for other in self._world.running():
            if other.id not in process.peers:
                continue
            if other.replica.table.closed.get(node, -1) < generation:
                raise Broken("barrier", f"{process} folds {node}@{generation}, open for {other}")
            for slot in slots:
                if other.disk.folded.covers(slot):
                    continue
                for video, views, _ in process.disk.rows.get(slot, {}).values():
                    if other.disk.count(slot, video) < views:
                        raise Broken(
                            "barrier", f"{process} folds {slot}; {other} has less of {video}"
                        )

    def _is_member(self, process: Process, other: Disk) -> bool:
        """Whether `process` must have asked the process above `other` before it folds."""
        replica = process.replica
        above = self._world.above(other)
        if above is not None and above.id in process.peers:
            return True
        own = other.own
        if own is None or own.node == process.name:
            return False
        table = replica.table
        return table.newest.covers(own) and not table.closed.covers(own)

    def was_cut_off(self, process: Process, slot: Slot) -> bool:
        """Whether `slot` was folded without `process`."""
        if slot in self._truth.stillborn:
            self._world.tally["view into a slot that was folded before it was opened"] += 1
            return True
        return any(disk is process.disk for disk in self._cut_off.get(slot, ()))

    def fold_reaches_disk(self, folded: Generations) -> None:
        """A fold is written for the first time. What those who were cut off have more of these
        slots, and what of them they have not, may be lost when bases meet: the larger wins."""
        for slot in self._truth.newly_folded(folded):
            agreed = Tally(self._truth.agreed.get(slot, {}))
            for disk in self._cut_off.get(slot, ()):
                theirs = Tally({row.video: row.views for row in disk.rows.get(slot, {}).values()})
                self._truth.risked += (theirs | agreed) - (theirs & agreed)

    # -- at rest ---------------------------------------------------------------------------

    def quiet(self) -> None:
        """Nothing is on its way: what is in memory is on disk."""
        for process in self._world.running():
            if process.stage != "serving" or process.writing or process.frozen_until:
                continue
            self.all(process)
            for video in self._world.videos:
                if process.disk.value(video) != process.replica.table.value(video):
                    raise Broken("9", f"{process} hasn't written down what it has of {video}")
        self._algebra()

    def rest(self, everybody: bool) -> None:
        """All that run hear each other, and nothing is on its way. With `everybody`, no disk is
        down, so that nothing may be missing."""
        self.quiet()
        running = [*self._world.running()]
        if not running:
            return
        self._same(running, lambda process: process.replica.table.fingerprint(), "fingerprints")
        for what in ("newest", "closed", "folded"):
            self._same(running, partial(_map, what), what)
        there = self._world.merged(process.disk for process in running)
        for video in self._world.videos:
            for process in running:
                value = process.replica.table.value(video)
                if value != there[video]:
                    raise Broken(
                        "5", f"{process} counts {value} of {video}; all disks make {there[video]}"
                    )
        self._world.settle(Tally(), "at rest")
        if everybody:
            self._truth.risked.clear()
            for video, total in self._truth.total.items():
                if there[video] != total - self._truth.lost[video]:
                    raise Broken("5", f"{video}: {there[video]} of {total} views are left")

    def small(self) -> None:
        """At rest, after the grace: only the living have slots."""
        running = [*self._world.running()]
        open_slots = {process.replica.table.own for process in running}
        for process in running:
            replica = process.replica
            if replica.table.lifting or not replica.table.columns.keys() <= open_slots:
                left = sorted(map(str, replica.table.columns.keys() - open_slots)) or "none"
                why = [f"{f.node}: {f.obstacles}" for f in replica.observe().folds]
                raise Broken("6", f"{process} still has closed slots {left} ({why})")
            for video in self._world.videos:
                slots = replica.table.snapshot(video).counter.slots
                if not open_slots.issuperset(slots):
                    raise Broken("6", f"{process} tells browsers of dead slots of {video}")
        self._same(running, lambda process: process.replica.table.base.fingerprint, "bases")

    def _same(self, running: list[Process], what: Callable[[Process], object], name: str) -> None:
        first = what(running[0])
        for process in running:
            if what(process) != first:
                raise Broken(
                    "5",
                    f"{name} differ at rest: {running[0]} {first}, {process} {what(process)}",
                )

    def _algebra(self) -> None:
        """Merge and lift on counters as they are, of one video."""
        replicas = [process.replica for process in self._world.running()][:3]
        if not replicas:
            return
        video = self._world.videos[int(self._world.agenda.now) % len(self._world.videos)]
        folded = Generations()
        for replica in replicas:
            folded = join(folded, replica.table.folded)
        plain = [replica.table.counter(video) for replica in replicas]
        lifted = [counter.lift(folded) for counter in plain]
        if [counter.value for counter in plain] != [counter.value for counter in lifted]:
            raise Broken("4", f"lifting changes {video}")
        one, two, three = (lifted * 3)[:3]
        laws: dict[str, tuple[Counter, Counter]] = {
            "merge isn't commutative": (one.merge(two), two.merge(one)),
            "merge isn't idempotent": (one.merge(one), one),
            "merge isn't associative": (one.merge(two).merge(three), one.merge(two.merge(three))),
        }
        for law, (left, right) in laws.items():
            if (left.base, dict(left.slots)) != (right.base, dict(right.slots)):
                raise Broken("4", f"{law}: {left} {right}")


def _map(name: str, process: Process) -> object:
    return getattr(process.replica.table, name)
