"""What must hold: the numbered invariants of ARCHITECTURE.md, and some finer rules with names.

`touched` checks what a step may have changed in one process; `rest` checks everything.

    1  no value is above the truth          6  every slot is open, or closed and not yet folded
    2  no value falls                       7  replays break none of the others (the steps do them)
    3  no node forgets what it answered     8  only its owner raises a slot, until it is closed
    4  the algebra of merge and lift holds  9  a kill or a second closing: the state before or after
    5  at rest all are equal, and no view is lost
    claim    a digest claims only what is on disk
    base     bases are merged only where the same slots have been folded into them
    barrier  a slot is folded only after the grace, and when every member has agreed
    floor    names are forgotten only while every member is connected; a slot that nobody there
             knew is covered only after the retention
    shared   rows that a replica takes to be on another disk are on another disk
    retire   a node that is connected is not retired
    once     number 11: a key counts once (`clients` checks that)
"""

from collections import Counter as Tally
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from ratchet.changes import Changes
from ratchet.counter import Counter
from ratchet.days import day_at
from ratchet.frames import BaseRows, Digest, Extent, Frame, Have, Pulse
from ratchet.generations import Generations, join
from ratchet.slot import Slot

from simulation.disk import Disk
from simulation.process import Process
from simulation.truth import Broken

if TYPE_CHECKING:
    from simulation.world import World

# After so long every node knows that a process is down.
SURELY_MISSED_S: Final = 20.0
# How long it may take until a digest carries on what came over a new connection.
RETURNED_S: Final = 6.0
# How much later than at its last look a replica may lose a connection.
HEARD_S: Final = 2.0


class Invariants:
    """The checks of one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._truth = world.truth
        # The folds that any process has in memory.
        self._folded = Generations()
        # The disks of closed slots that were cut off when each slot was folded.
        self._cut_off: dict[Slot, list[Disk]] = {}

    @property
    def _now(self) -> float:
        return self._world.agenda.now

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
            self._truth.opened(
                slot,
                process.label,
                self._now if process.seen_slot else process.started_s,
                sane_clock=process.sane_clock,
                right_clock=process.right_clock,
            )
            process.seen_slot = process.disk.own = slot

    def all(self, process: Process) -> None:
        """Check everything that holds for a replica at every moment."""
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
                "1",
                f"{process} counts {value} views of {video}, but there were only "
                f"{self._truth.total[video]}",
            )
        if value < process.reached[video]:
            raise Broken(
                "2", f"{video} falls at {process} from {process.reached[video]} to {value}"
            )
        process.reached[video] = value
        self._by_day(process, video)
        if value < process.disk.answered[video]:
            raise Broken(
                "3",
                f"{process} counts {value} views of {video}, but its node has answered "
                f"{process.disk.answered[video]}",
            )
        for columns in (process.replica.table.columns, process.replica.table.lifting):
            for slot, column in columns.items():
                if column.views(video) > self._truth.latest(slot).get(video, 0):
                    raise Broken(
                        "8", f"{process} has more views of {video} in {slot} than its owner"
                    )

    def _by_day(self, process: Process, video: str) -> None:
        table, reached = process.replica.table, process.reached_by_day.get(video, {})
        views = process.reached_by_day[video] = table.by_day(video)
        for day, n in views.items():
            if n > self._truth.by_day[day, video]:
                raise Broken("10", f"{process} counts {n} views of {video} on day {day}, too many")
        for day, n in reached.items():
            if table.days.keeps(day) and views.get(day, 0) < n:
                raise Broken(
                    "10",
                    f"{video} falls at {process} on day {day}: from {n} to {views.get(day, 0)}",
                )
        # Of two bases that don't stand on the same views, the larger wins, in all and on each day.
        lost = self._truth.lost[video] + self._truth.risked[video]
        if sum(views.values()) > table.value(video) + lost:
            raise Broken("10", f"{process} has more views of {video} on all days than in all")

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
            if own and slot == process.replica.table.own:
                self._of_today(process, slot)
            closed = process.replica.table.closed.covers(slot)
            if own and closed and any(row.views > latest.get(row.video, 0) for row in rows):
                raise Broken("8", f"{process} raises {slot}, which it knows to be closed")

    def _of_today(self, process: Process, slot: Slot) -> None:
        """A process counts a view in the slot of the day, unless it is just being woken."""
        just_now_s = process.started_ms / 1000 + self._now - process.started_s - 1.0
        kept = self._world.setup.habits.kept_days and process.has_days
        of_today = day_at(slot.generation) >= day_at(int(just_now_s * 1e6))
        if kept and not process.frozen_until and not of_today:
            raise Broken("10", f"{process} counts in {slot}, which is not of this day")

    def wrote(self, process: Process, before: Tally[str]) -> None:
        """A transaction is on disk. `before`: the views of each video on that disk before it."""
        for video, value in before.items():
            if process.disk.value(video) < value:
                raise Broken("2", f"{video} falls on the disk of {process}")

    def viewed(self, process: Process) -> None:
        """New views of `process` are on disk: a step must have made them."""
        for video, left in process.viewed.items():
            if left < 0:
                raise Broken("1", f"{process} counts {-left} views of {video} that nobody made")

    def restored(self, process: Process) -> None:
        """A process has read its disk."""
        for video in self._world.videos:
            there, here = process.disk.value(video), process.replica.table.value(video)
            if there != here:
                raise Broken(
                    "9", f"{process} restores {here} views of {video} from a disk with {there}"
                )
        self.all(process)

    # -- sending and merging ---------------------------------------------------------------

    def sent(self, process: Process, frame: Frame) -> None:
        """`process` sends `frame`."""
        self._opened(process)
        if isinstance(frame, Digest):
            self._digest(process, frame)
        elif isinstance(frame, Pulse):
            # It stands for this.
            self._digest(process, process.replica.digest())
            if frame.slot:
                self._claim(process, frame.slot, frame.extent)
        elif isinstance(frame, Have):
            self._claim(process, frame.slot, Extent(frame.durable, None))

    def _digest(self, process: Process, digest: Digest) -> None:
        for slot, extent in digest.slots.items():
            claim = (*extent, process.disk.version)
            if process.claims.get(slot) != claim:
                self._claim(process, slot, extent)
                process.claims[slot] = claim
        if digest.base_fingerprint not in (None, process.disk.base_fingerprint()):
            raise Broken("claim", f"{process} has another base on disk than its digest says")

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
            return  # Its newest rows are on disk, and it doesn't know it yet.
        if extent.fingerprint not in (None, disk.fingerprint(slot)):
            raise Broken(
                "claim", f"{process} has other rows of {slot} on disk than its digest says"
            )

    def merged_base(self, process: Process, frame: BaseRows) -> None:
        """The base of `process` has grown by `frame`. (The larger of two bases is right only where
        the same slots are folded into both.)"""
        if frame.folded != process.replica.table.folded:
            raise Broken("base", f"{process} merges a base with other folds: {frame.folded}")

    def shared(self, process: Process, seqs: dict[Slot, int]) -> None:
        """`process` relies on it that everything up to these seqs is on another disk."""
        gone = self._truth.graves(self._world.agenda.now, handed_over=True)
        others = [disk for disk in [*self._world.disks(), *gone] if disk is not process.disk]
        for slot, seq in seqs.items():
            need = self._truth.at(slot, seq)
            if not any(
                disk.folded.covers(slot)
                or all(disk.count(slot, video) >= views for video, views in need.items())
                for disk in others
            ):
                raise Broken(
                    "shared", f"{process} relies on {slot} up to {seq}: no other disk has it"
                )

    def retired(self, process: Process, name: str) -> None:
        """`process` has retired `name`."""
        for other in self._world.running():
            if other.name == name and other.id in process.peers and other is not process:
                raise Broken("retire", f"{process} retires {other}, to which it is connected")

    # -- folding ---------------------------------------------------------------------------

    def _folds(self, process: Process) -> None:
        replica = process.replica
        folded, closed = replica.table.folded, replica.table.closed
        before, process.seen_folded = process.seen_folded, Generations(folded)
        if any(folded[node] > closed[node] for node in (*folded, *closed)):
            raise Broken("barrier", f"{process} has folded a slot that is not closed")
        if any(folded[node] < before[node] for node in (*folded, *before)):
            raise Broken("barrier", f"{process} has forgotten a fold: {before} is now {folded}")
        if folded.floor > before.floor:
            if folded.floor > self._folded.floor:
                self._first_floor(process)
            else:
                self._world.tally["floor learned from a peer"] += 1
        newly = [
            slot
            for slot in self._truth.history
            if folded.covers(slot) and not self._folded.covers(slot)
        ]
        for node in dict.fromkeys(slot.node for slot in newly):
            self._first_fold(process, node, max(g for name, g in newly if name == node))
        if not newly and folded != before:
            self._world.tally["fold learned from a peer"] += 1
        self._folded = join(self._folded, folded)

    def _first_floor(self, process: Process) -> None:
        """`process` is the first to raise the floor so high."""
        for other, down_since in self._world.states():
            above = self._world.above(other)
            if other is process.disk or (above and above.id in process.peers):
                continue
            # It may take the last process there to be connected still.
            since = above.started_s if above else down_since
            if self._is_member(process, other) and self._now - (since or 0.0) > SURELY_MISSED_S:
                raise Broken("floor", f"{process} raises the floor without {other.own}, a member")

    def _covers_unknown(self, process: Process, slot: Slot) -> bool:
        """Whether a floor covers `slot`, which `process` had never known. If so, the slot must be
        older than the retention."""
        if process.seen_newest.covers(slot):
            return False
        self._world.tally["floor over a slot that nobody there knew"] += 1
        started_s = self._truth.started_s.get(slot)
        retention_s = self._world.setup.habits.retention_s
        early = started_s is not None and self._now - started_s < retention_s - 1e-3
        if early and process.right_clock:
            raise Broken("floor", f"{process} covers {slot} within the retention")
        return True

    def _first_fold(self, process: Process, node: str, generation: int) -> None:
        """`process` is the first to fold these slots."""
        now, disk, replica = self._world.agenda.now, process.disk, process.replica
        self._world.tally["fold"] += 1
        unknown = self._covers_unknown(process, Slot(node, generation))
        known = [time for time, g in process.closings.get(node, []) if g >= generation]
        early = not known or now - known[0] < self._world.setup.habits.grace_s - 1e-3
        if early and not unknown:
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
            closed = other.own is not None and replica.table.closed.covers(other.own)
            if not (self._is_member(process, other) or self._is_dismissed(process, other)):
                cut_off.append(other)
                if other.own and (unknown or not closed):
                    self._world.tally["fold by a replica that never knew a member"] += 1
                continue
            members.append(other)
            if self._is_dismissed(process, other):
                self._world.tally["fold agreed to by a dismissed process"] += 1
            elif down_since is not None and now - down_since > SURELY_MISSED_S:
                raise Broken(
                    "barrier", f"{process} folds {node} while {other.own}, not retired, is down"
                )
        # A process that was cut off for longer than the grace may have come back just now. A member
        # may have received its rows already, and not have sent its next digest yet.
        returned = now - self._world.network.last_joined < RETURNED_S
        if not unknown:
            self._agreed(process, node, generation, slots)
        for slot in slots:
            for other in members:
                if other.folded.covers(slot) or returned:
                    continue
                for video, views, _ in other.rows.get(slot, {}).values():
                    # A member may have received rows of a cut off process after it agreed.
                    known_to = max((it.count(slot, video) for it in cut_off), default=0)
                    if views > max(disk.count(slot, video), known_to):
                        raise Broken(
                            "barrier",
                            f"{process} folds {slot} with {disk.count(slot, video)} views of "
                            f"{video}: member {other.own} has {views} on disk",
                        )

    def _agreed(self, process: Process, node: str, generation: int, slots: list[Slot]) -> None:
        """Every peer of `process` must have agreed: it knows that the slots are closed, and it has
        at least the rows that `process` has."""
        for other in self._world.running():
            if other.id not in process.peers:
                continue
            if other.replica.table.closed[node] < generation:
                raise Broken(
                    "barrier",
                    f"{process} folds {node}@{generation}, which {other} takes to be open",
                )
            for slot in slots:
                if other.disk.folded.covers(slot):
                    continue
                for video, views, _ in process.disk.rows.get(slot, {}).values():
                    if other.disk.count(slot, video) < views:
                        raise Broken(
                            "barrier",
                            f"{process} folds {slot}, but {other} has fewer views of {video}",
                        )

    def _is_member(self, process: Process, other: Disk) -> bool:
        """Whether the process on `other` must agree before `process` folds."""
        replica = process.replica
        above = self._world.above(other)
        if above is not None and above.id in process.peers:
            return True
        own = other.own
        if own is None or own.node == process.name:
            return False
        table = replica.table
        if table.closed.covers(own):
            return False
        # It was met, nobody has heard of any slot of its name, and nobody has retired it.
        newest = table.newest
        unknown = newest[own.node] <= newest.placeholder and own.node not in process.closings
        return table.newest.covers(own) or (unknown and process.met_s(other, self._now) is not None)

    def _is_dismissed(self, process: Process, other: Disk) -> bool:
        """Whether the process on `other` is no member any more, and may come back within the
        grace."""
        own, grace_s = other.own, self._world.setup.habits.grace_s
        if own is None or self._is_member(process, other):
            return False
        known = process.replica.table.newest.covers(own)
        met_s = process.met_s(other, self._now)
        if not known and met_s is None:
            return False
        generation = own.generation if known else process.replica.table.newest.placeholder
        closings = (t for t, g in process.closings.get(own.node, []) if g >= generation)
        if self._now - next(closings, -grace_s) < grace_s - 1e-3:
            return True
        return not known and met_s is not None and met_s < grace_s - HEARD_S

    def is_member(self, process: Process, other: Disk) -> bool:
        """Whether the process on `other` belongs to the cluster, or may come back within its
        grace, as far as `process` can know. (A fold ends the grace for all who learn of it.)"""
        if self._is_member(process, other):
            return True
        is_folded = other.own is not None and process.replica.table.folded.covers(other.own)
        return self._is_dismissed(process, other) and not is_folded

    def was_cut_off(self, process: Process, slot: Slot) -> bool:
        """Whether `slot` was folded without the agreement of `process`."""
        if slot in self._truth.stillborn:
            self._world.tally["view into a slot that was folded before it was opened"] += 1
            return True
        return any(disk is process.disk for disk in self._cut_off.get(slot, ()))

    def fold_reaches_disk(self, folded: Generations) -> None:
        """A fold is on a disk for the first time. What differs between the folded rows and those on
        a cut off disk may be lost: when their bases meet, the larger wins."""
        for slot in self._truth.newly_folded(folded):
            agreed = Tally(self._truth.agreed.get(slot, {}))
            for disk in self._cut_off.get(slot, ()):
                theirs = Tally({row.video: row.views for row in disk.rows.get(slot, {}).values()})
                self._truth.risked += (theirs | agreed) - (theirs & agreed)

    # -- at rest ---------------------------------------------------------------------------

    def quiet(self) -> None:
        """No frame and no write is on its way: what is in memory must be on disk."""
        for process in self._world.running():
            if process.stage != "serving" or process.writing or process.frozen_until:
                continue
            self.all(process)
            for video in self._world.videos:
                if process.disk.value(video) != process.replica.table.value(video):
                    raise Broken("9", f"{process} has not written all its views of {video}")
        self._algebra()

    def rest(self, everybody: bool) -> None:
        """All running processes are connected, and no frame or write is on its way. `everybody`: no
        disk is down, so that no view may be missing."""
        self.quiet()
        running = [*self._world.running()]
        if not running:
            return
        self._same(running, lambda process: process.replica.table.fingerprint(), "fingerprints")
        for what in ("newest", "closed", "folded"):
            self._same(running, partial(_map, what), what)
        self._same_days(running, everybody=everybody)
        there = self._world.merged(process.disk for process in running)
        for video in self._world.videos:
            for process in running:
                value = process.replica.table.value(video)
                if value != there[video]:
                    raise Broken(
                        "5",
                        f"{process} counts {value} views of {video}, but all disks together have "
                        f"{there[video]}",
                    )
        self._world.settle(Tally(), "at rest")
        if everybody:
            self._truth.risked.clear()
            for video, total in self._truth.total.items():
                if there[video] != total - self._truth.lost[video]:
                    raise Broken("5", f"{video}: {there[video]} of {total} views are left")

    def _same_days(self, running: list[Process], *, everybody: bool) -> None:
        """All have the same views on each day, and those that there were. (Processes of an earlier
        version pass on no days.)"""
        if self._world.setup.old or not running:
            return
        for video in self._world.videos:
            self._same(running, partial(_by_day, video), "days")
        if not everybody:
            return
        table = running[0].replica.table
        for (day, video), views in self._truth.by_day.items():
            there = table.by_day(video).get(day, 0)
            if table.days.keeps(day) and not views - self._truth.lost[video] <= there <= views:
                raise Broken("10", f"{video} has {there} of {views} views on day {day}")

    def small(self) -> None:
        """At rest, after the grace: the only slots left are those of running processes."""
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
                    raise Broken("6", f"{process} sends browsers closed slots of {video}")
        self._same(running, lambda process: process.replica.table.base.fingerprint, "bases")

    def few_names(self) -> None:
        """At rest, after the retention: names that have gone are forgotten. (Where all
        clocks are behind, perhaps in 1970, the retention is not over.)"""
        spare = self._world.setup.habits.spare_names
        running = [*self._world.running()]
        if not any(process.sane_clock for process in running):
            return
        for process in running:
            newest, closed = process.replica.table.newest, process.replica.table.closed
            gone = [node for node in newest.names() if newest[node] == closed[node]]
            if len(gone) > spare:
                raise Broken("6", f"{process} still lists {gone}: {closed}")
            if not process.replica.table.lifted_views.keys() <= {*newest}:
                raise Broken("6", f"{process} still says how much was lifted of names forgotten")

    def _same(self, running: list[Process], what: Callable[[Process], object], name: str) -> None:
        first = what(running[0])
        for process in running:
            if what(process) != first:
                raise Broken(
                    "5",
                    f"{name} differ at rest: {running[0]} {first}, {process} {what(process)}",
                )

    def _algebra(self) -> None:
        """Check the laws of merge and lift on the counters of one video at up to three replicas."""
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


def _by_day(video: str, process: Process) -> object:
    return process.replica.table.by_day(video)


def _map(name: str, process: Process) -> object:
    return getattr(process.replica.table, name)
