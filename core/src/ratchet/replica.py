"""A replica that counts: the state machine that a node drives. No IO, no clock, no chance.

Whoever drives it owes it this (the server's keeper and the simulator do):

- `now` is in seconds on a clock that never goes back; `tick` is called several times a second.
- Frames from a connection go to `receive`; every `Send` that any method returns is sent, or lost.
- `changes()` is written **in one transaction**; then `committed(changes)` is called, or, when it
  surely wasn't written, `aborted(changes)`. One at a time. Nothing else may be written.

What follows from it, and holds for every caller:

- **Durable before visible.** Own views enter the column, and are pushed, in `committed`: nobody
  ever sees a view that a crash can take back.
- **A digest claims only what is on disk**, so that a crash of this process makes no other believe
  that rows are safe here.
- Its own slot is written by nobody else, and no other slot is written here but by merging.

Anti-entropy is a pull: digests are compared, and whoever is behind asks *one* peer for the rows
above its own seq (`Want`), chunk by chunk, the next when the last is on disk, and claims them when
all are there. If whoever is ahead sent them unasked, as in Scuttlebutt, a replica that comes back
would get every row from every peer at once. Live changes are pushed by their owner; one that
doesn't fit (a gap before it) is dropped and asked for. Where two claim the same and have not the
same (a transfer that broke off, its sender gone for ever), each asks the other for all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from ratchet import generations
from ratchet.base import Base
from ratchet.column import Column, Row
from ratchet.counter import Counter
from ratchet.frames import MAX_ROWS, BaseRows, Digest, Extent, Frame, Rows, Want, WantBase
from ratchet.generations import Generations
from ratchet.names import MAX_COUNT
from ratchet.slot import Slot, new_generation
from ratchet.snapshot import Snapshot

# How often digests are said: what was lost is noticed within a second.
HEARTBEAT_S: Final = 1.0
# How long a process waits to hear from a peer before it opens its slot all alone.
ALONE_S: Final = 2.0
# After this long without an answer, rows are asked for again, from whoever has them.
ASK_AGAIN_S: Final = 2.0
# After this long without a chunk, a transfer is begun anew with another peer.
GIVE_UP_S: Final = 10.0


class Send(NamedTuple):
    """A frame for one peer (its process), or for every peer where `to` is None."""

    to: str | None
    frame: Frame


class ColumnChange(NamedTuple):
    """New rows of one slot, which is complete up to `upto` with them."""

    slot: Slot
    upto: int
    rows: tuple[Row, ...]


class Changes(NamedTuple):
    """What must be on disk before the replica claims it, in the order in which it is written.

    First the rows, by larger-of. Then every slot of `lifted` is added into the base and dropped.
    Then the entries of `base` and of the three maps, by larger-of. Reading a store back gives
    the same form (with nothing in `lifted`), in as many parts as it likes.
    """

    columns: tuple[ColumnChange, ...] = ()
    lifted: tuple[Slot, ...] = ()
    base: tuple[tuple[str, int], ...] = ()
    heard: Generations = {}
    closed: Generations = {}
    folded: Generations = {}


@dataclass(slots=True)
class Peer:
    """What this replica knows of another one that it is connected to."""

    node: str
    # Its last digest; None until it has said one.
    digest: Digest | None = None
    # Its base column differs from ours and has not been fetched to its end.
    base_due: bool = False


@dataclass(slots=True)
class _Asked:
    """An open `Want` or `WantBase`: of whom, when, and above what."""

    peer: str
    at: float
    above: int
    # Up to where the transfer makes complete: what the peer claimed with its first frame.
    upto: int | None = None


@dataclass(slots=True)
class _Unsaved:
    """What has been merged into memory and not yet handed out to be written."""

    # By video: only the newest row of each is worth writing, however long the disk is full.
    rows: dict[Slot, dict[str, Row]] = field(default_factory=dict)
    lifted: list[Slot] = field(default_factory=list)
    base: set[str] = field(default_factory=set)
    maps: bool = False


class Replica:
    """All counters of one node: the table of `column`, the base, the three maps, the peers."""

    def __init__(
        self,
        node: str,
        started_ms: int,
        chance: Callable[[int], int],
        now: float,
        *,
        chunk: int = MAX_ROWS,
    ) -> None:
        """A replica with nothing in it. `started_ms` is the wall clock; see `new_generation`.

        `chunk` is how many rows a frame holds at the most, 1 to `MAX_ROWS`.
        """
        self.node = node
        self.slot: Slot | None = None
        self.columns: dict[Slot, Column] = {}
        self.base = Base()
        self.heard: dict[str, int] = {}
        self.closed: dict[str, int] = {}
        self.folded: dict[str, int] = {}
        self.peers: dict[str, Peer] = {}
        # Videos whose visible value may have changed; whoever watches takes them out.
        self.changed: set[str] = set()
        self._started_ms = started_ms
        self._chance = chance
        self._chunk = chunk
        self._now = now
        # Set at the first tick: reading a large store back may take longer than being alone.
        self._alone_until: float | None = None
        self._next_digest = now
        # Own views that are in no changes yet, and those that are just being written.
        self._pending: dict[str, int] = {}
        self._counting: dict[str, int] = {}
        self._unsaved = _Unsaved()
        self._writing: Changes | None = None
        # The slot whose rows in `_writing` are our own views. (Our slot may be another by then.)
        self._writing_to: Slot | None = None
        # What peers had when they first spoke: to have caught up means to have all of it.
        self._goals: dict[Slot, int] = {}
        self._asked: dict[Slot, _Asked] = {}
        self._asked_base: _Asked | None = None
        # Transfers of which a chunk has come and is not on disk yet, and from whom.
        self._more: dict[Slot, str] = {}

    # -- reading ---------------------------------------------------------------------------

    def counter(self, video: str) -> Counter:
        """The counter of `video`, as everybody may see it."""
        slots = {slot: n for slot, column in self.columns.items() if (n := column.count(video))}
        return Counter(self.base.count(video), slots)

    def value(self, video: str) -> int:
        """How often `video` was viewed: `counter(video).value`, without building the counter."""
        views = self.base.count(video)
        for column in self.columns.values():
            views += column.count(video)
        return min(views, MAX_COUNT)

    def videos(self) -> set[str]:
        """Every video that has been counted."""
        return {row.video for column in self.columns.values() for row in column}.union(self.base)

    def pending(self, video: str) -> int:
        """Views of `video` that are counted here and on no disk yet."""
        return self._pending.get(video, 0) + self._counting.get(video, 0)

    def snapshot(self, video: str) -> Snapshot:
        """What a browser is told."""
        return Snapshot(video, self.counter(video), dict(self.folded))

    def digest(self) -> Digest:
        """What this replica has on disk."""
        slots = {slot: self._extent(slot, column) for slot, column in self.columns.items()}
        heard, closed, folded = dict(self.heard), dict(self.closed), dict(self.folded)
        return Digest(slots, heard, closed, folded, self.base.fingerprint)

    def fingerprint(self) -> str:
        """32 hex digits, equal on two replicas exactly when their counts are equal."""
        columns = sorted(
            f"{slot}:{c.fingerprint:016x}" for slot, c in self.columns.items() if len(c)
        )
        text = " ".join([*columns, f"{self.base.fingerprint:016x}"])
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def behind(self, process: str) -> int:
        """How many changes that are here the peer has not claimed to have on disk."""
        peer = self.peers[process]
        return sum(max(0, c.upto - _claim(peer, slot)) for slot, c in self.columns.items())

    def caught_up(self) -> bool:
        """Whether everything is here that any peer had when it first spoke, gone since or not."""
        if any(self._lacks(slot, upto) for slot, upto in self._goals.items()):
            return False
        return all(peer.digest and not peer.base_due for peer in self.peers.values())

    def superseded(self) -> str | None:
        """Why this process may not count any longer under its name; None while it may."""
        if self.slot is None:
            return None
        if self.heard.get(self.node, 0) > self.slot.generation:
            newer = Slot(self.node, self.heard[self.node])
            return f"a newer process of this name has started: {newer}; this one is {self.slot}"
        if generations.covers(self.closed, self.slot):
            return f"slot {self.slot} has been closed"
        return None

    # -- counting and writing --------------------------------------------------------------

    def count(self, video: str, views: int = 1) -> None:
        """Count `views`. They become visible when the changes that hold them are committed."""
        self._pending[video] = self._pending.get(video, 0) + views

    def restore(self, stored: Changes) -> None:
        """Take in a part of what a store has; before anything else, as often as there are parts."""
        self._join_maps(stored.heard, stored.closed, stored.folded)
        for slot, upto, rows in stored.columns:
            column = self._column(slot)
            column.merge(rows)
            column.upto = column.durable = max(column.upto, upto)
        self.base.merge(stored.base)
        self._unsaved = _Unsaved()

    def changes(self) -> Changes | None:
        """What is to be written now; None when there is nothing."""
        assert self._writing is None, "changes() before the last ones were committed or aborted"
        unsaved, self._unsaved = self._unsaved, _Unsaved()
        self._writing_to = None
        # Rows of a slot that was lifted since are written, too: the disk lifts what it has.
        columns = [
            ColumnChange(
                slot, column.upto if (column := self.columns.get(slot)) else 0, tuple(rows.values())
            )
            for slot, rows in unsaved.rows.items()
        ]
        if self.slot is not None and self._pending:
            columns.append(self._own_rows(self.slot))
            self._writing_to = self.slot
        if not (columns or unsaved.lifted or unsaved.base or unsaved.maps):
            return None
        base = tuple((video, self.base.count(video)) for video in unsaved.base)
        maps = (self.heard, self.closed, self.folded) if unsaved.maps else ({}, {}, {})
        self._writing = Changes(tuple(columns), tuple(unsaved.lifted), base, *map(dict, maps))
        return self._writing

    def committed(self, changes: Changes) -> list[Send]:
        """`changes` are on disk: claim them, show and push the own ones, ask for what follows."""
        counted = self._counting
        self._end_writing(changes)
        sends = []
        for slot, upto, rows in changes.columns:
            column = self.columns.get(slot)
            if column is None:  # Folded while it was being written; the disk lifts it next.
                for video, views in counted.items() if slot == self._writing_to else ():
                    self.base.add(video, views)
                    self.changed.add(video)
                continue
            # Rows of others have been in the column since they came; ours become visible now.
            if slot == self._writing_to:
                sends += self._push(slot, column.upto, rows)
                column.merge(rows)
                column.upto = max(column.upto, upto)
                self.changed.update(row.video for row in rows)
            column.durable = max(column.durable, upto)
            sends += self._want_more(slot)
        return sends

    def aborted(self, changes: Changes) -> None:
        """`changes` are surely not on disk. Own views in them are forgotten: their callers are
        told so. What came from others is kept, to be written with the next changes."""
        self._end_writing(changes)
        for slot, _, rows in changes.columns:
            if slot != self._writing_to:
                older = {row.video: row for row in rows}
                self._unsaved.rows[slot] = older | self._unsaved.rows.get(slot, {})
        self._unsaved.lifted[:0] = changes.lifted
        self._unsaved.base.update(video for video, _ in changes.base)
        self._unsaved.maps = True

    # -- talking ---------------------------------------------------------------------------

    def joined(self, process: str, node: str) -> list[Send]:
        """A connection to another process is up."""
        self.peers[process] = Peer(node)
        return [Send(process, self.digest())]

    def left(self, process: str) -> None:
        """The last connection to it is down."""
        self.peers.pop(process, None)
        self._asked = {slot: asked for slot, asked in self._asked.items() if asked.peer != process}
        if self._asked_base and self._asked_base.peer == process:
            self._asked_base = None

    def tick(self, now: float) -> list[Send]:
        """Time has passed."""
        self._now = now
        if self._alone_until is None:
            self._alone_until = now + ALONE_S
        if self.slot is None and now >= self._alone_until:
            self._open_slot()
        if now < self._next_digest:
            return []
        self._next_digest = now + HEARTBEAT_S
        return [Send(None, self.digest())] if self.peers else []

    def receive(self, frame: Frame, process: str, now: float) -> list[Send]:
        """A frame came from a connected peer; what to answer."""
        self._now = now
        match frame:
            case Digest():
                return self._compare(frame, process)
            case Rows():
                return self._merge_rows(frame, process)
            case Want(slot, above):
                return self._answer(slot, above, process)
            case WantBase(start):
                rows = tuple(self.base.chunk(start, self._chunk))
                answer = BaseRows(dict(self.folded), start, len(self.base), rows)
                return [Send(process, answer)]
            case BaseRows():
                return self._merge_base(frame, process)
            case _:  # A second hello says nothing new.
                return []

    def _compare(self, theirs: Digest, process: str) -> list[Send]:
        peer = self.peers[process]
        if peer.digest is None:
            for slot, extent in theirs.slots.items():
                self._goals[slot] = max(extent.upto, self._goals.get(slot, 0))
        peer.digest = theirs
        self._join_maps(theirs.heard, theirs.closed, theirs.folded)
        for slot in theirs.slots:
            self._heard_of(slot)
        if self.slot is None:
            # Contact: what others know of our name is known now, so the generation can be above
            # it, also on an empty disk with the clock set back.
            self._open_slot()
        sends = []
        for slot, extent in theirs.slots.items():
            if slot == self.slot and extent.upto > self.columns[slot].upto:
                self._disown()
            sends += self._want(slot, extent.upto, process) or self._doubt(slot, extent, process)
        # Bases can be compared only where the same slots have been folded into them. A peer that
        # has folded less will have lifted, too, when it speaks again.
        same_folds = theirs.folded == self.folded
        peer.base_due = not same_folds or theirs.base != self.base.fingerprint
        if same_folds and peer.base_due and self._free(self._asked_base):
            self._asked_base = _Asked(process, self._now, 0)
            sends.append(Send(process, WantBase(0)))
        return sends

    def _merge_rows(self, frame: Rows, process: str) -> list[Send]:
        slot = frame.slot
        if self._is_folded(slot):
            return []  # The sender lifts as soon as it hears of the fold.
        if slot == self.slot:
            if frame.rows and frame.rows[-1].seq > self.columns[slot].upto:
                self._disown()
            return []
        self._heard_of(slot)
        column = self._column(slot)
        asked = self._asked.get(slot)
        # Within a transfer each frame continues the one before, from the same peer.
        answer = asked is not None and asked.peer == process and asked.above == frame.start
        if answer and asked and frame.upto < (asked.upto or 0):
            return []  # Left over from an earlier attempt: what came before it was something else.
        if frame.start > column.upto and not answer:
            return self._want(slot, frame.upto, process)
        before, new = column.upto, column.merge(frame.rows)
        upto = frame.upto if asked is None or not answer or asked.upto is None else asked.upto
        if not frame.more:
            column.upto = max(column.upto, upto)
            if answer:
                del self._asked[slot]
        elif answer:
            self._asked[slot] = _Asked(process, self._now, frame.rows[-1].seq, upto)
            # The next chunk is asked for when this one is on disk.
            self._more[slot] = process
        if not new and column.upto == before:
            return self._want_more(slot)
        self._unsaved.rows.setdefault(slot, {}).update((row.video, row) for row in new)
        self.changed.update(row.video for row in new)
        return []

    def _merge_base(self, frame: BaseRows, process: str) -> list[Send]:
        self._join_maps({}, {}, frame.folded)
        grown = self.base.merge(frame.rows)
        self._unsaved.base.update(grown)
        self.changed.update(grown)
        if self._asked_base and self._asked_base.peer == process:
            after = frame.start + len(frame.rows)
            if frame.rows and after < frame.total:
                self._asked_base = _Asked(process, self._now, after)
                return [Send(process, WantBase(after))]
            self._asked_base = None
            self.peers[process].base_due = False
        return []

    def _answer(self, slot: Slot, above: int, process: str) -> list[Send]:
        column = self.columns.get(slot)
        if column is None:
            return []
        rows, more = column.above(above, self._chunk)
        return [Send(process, Rows(slot, above, column.upto, more, tuple(rows)))]

    def _push(self, slot: Slot, start: int, rows: tuple[Row, ...]) -> list[Send]:
        if not self.peers:
            return []
        sends = []
        for at in range(0, len(rows), self._chunk):
            # Nothing is replaced within one commit, so each chunk is complete by itself.
            chunk = rows[at : at + self._chunk]
            sends.append(Send(None, Rows(slot, start, chunk[-1].seq, False, chunk)))
            start = chunk[-1].seq
        return sends

    def _want(self, slot: Slot, upto: int, process: str) -> list[Send]:
        """Ask for what is missing of `slot`, unless it is asked for already."""
        if slot == self.slot or not self._lacks(slot, upto):
            return []
        return self._ask(slot, self._column(slot).upto, process)

    def _doubt(self, slot: Slot, theirs: Extent, process: str) -> list[Send]:
        """They claim as much as we do. Ask for all if it isn't the same that they have."""
        if slot == self.slot or theirs.fingerprint is None or self._is_folded(slot):
            return []
        column = self.columns.get(slot)
        ours = self._extent(slot, column) if column else Extent(0, 0)
        if ours.fingerprint is None or ours.upto != theirs.upto or ours == theirs:
            return []
        return self._ask(slot, 0, process)

    def _want_more(self, slot: Slot) -> list[Send]:
        """What came of `slot` is on disk: ask for the next chunk of a transfer."""
        process = self._more.pop(slot, None)
        asked = self._asked.get(slot)
        if process is None or asked is None or asked.peer != process:
            return []
        return [Send(process, Want(slot, asked.above))]

    def _ask(self, slot: Slot, above: int, process: str) -> list[Send]:
        asked = self._asked.get(slot)
        if not self._free(asked):
            return []
        if asked and asked.upto is not None and asked.peer in self.peers:
            # In the middle of a transfer a slow peer is asked again for the same chunk. Begun
            # anew each time, it would never end; another peer is tried when this one is dead.
            if asked.peer != process and self._now - asked.at < GIVE_UP_S:
                return []
            if asked.peer == process:
                asked.at = self._now
                return [Send(process, Want(slot, asked.above))]
        self._asked[slot] = _Asked(process, self._now, above)
        return [Send(process, Want(slot, above))]

    # -- state -----------------------------------------------------------------------------

    def _open_slot(self) -> None:
        """From now on this process counts in a slot that nobody has ever written."""
        heard = self.heard.get(self.node, 0)
        self.slot = Slot(self.node, new_generation(self._started_ms, self._chance, heard))
        self._heard_of(self.slot)
        self._column(self.slot)
        # Everything that this name counted before will count no more.
        before = {self.node: self.slot.generation - 1}
        self._join_maps({}, before, {})

    def _disown(self) -> None:
        """Somebody holds our slot higher than we do: its numbers aren't ours alone (a disk that
        was set back under us, or a generation met twice). Count on in a new one; the old merges
        as any other's."""
        self._open_slot()

    def _own_rows(self, slot: Slot) -> ColumnChange:
        column = self.columns[slot]
        pending = self._counting = self._pending
        self._pending = {}
        rows = tuple(
            Row(video, min(column.count(video) + views, MAX_COUNT), seq)
            for seq, (video, views) in enumerate(pending.items(), column.upto + 1)
        )
        return ColumnChange(slot, rows[-1].seq, rows)

    def _end_writing(self, changes: Changes) -> None:
        assert changes is self._writing, "these changes are not the ones being written"
        self._writing = None
        self._counting = {}

    def _join_maps(self, heard: Generations, closed: Generations, folded: Generations) -> None:
        for ours, theirs in ((self.heard, heard), (self.closed, closed), (self.folded, folded)):
            joined = generations.join(ours, theirs)
            if joined != ours:
                ours.update(joined)
                self._unsaved.maps = True
        for node in closed.keys() | folded.keys():
            self._heard_of(Slot(node, max(closed.get(node, 0), folded.get(node, 0))))
        for slot in [slot for slot in self.columns if self._is_folded(slot)]:
            if slot in self.columns:  # Giving up our own slot has lifted the others already.
                self._lift(slot)

    def _lift(self, slot: Slot) -> None:
        for row in self.columns.pop(slot):
            self.base.add(row.video, row.views)
            self.changed.add(row.video)
        self._unsaved.lifted.append(slot)
        self._asked.pop(slot, None)
        if slot == self.slot:
            self._disown()

    def _heard_of(self, slot: Slot) -> None:
        if slot.generation > self.heard.get(slot.node, -1):
            self.heard[slot.node] = slot.generation
            self._unsaved.maps = True

    def _column(self, slot: Slot) -> Column:
        column = self.columns.get(slot)
        if column is None:
            column = self.columns[slot] = Column(slot)
        return column

    def _lacks(self, slot: Slot, upto: int) -> int:
        """How many changes of `slot` up to `upto` are not here."""
        if self._is_folded(slot):
            return 0
        column = self.columns.get(slot)
        return max(0, upto - (column.upto if column else 0))

    def _extent(self, slot: Slot, column: Column) -> Extent:
        """How much of a column is on disk; its fingerprint, if just that is in memory, too."""
        writing = self._writing.columns if self._writing else ()
        settled = (
            column.durable == column.upto
            and slot not in self._unsaved.rows
            and all(change.slot != slot for change in writing if slot != self._writing_to)
            and self._free(self._asked.get(slot))
        )
        return Extent(column.durable, column.fingerprint if settled else None)

    def _is_folded(self, slot: Slot) -> bool:
        return generations.covers(self.folded, slot)

    def _free(self, asked: _Asked | None) -> bool:
        return asked is None or self._now - asked.at >= ASK_AGAIN_S


def _claim(peer: Peer, slot: Slot) -> int:
    extent = peer.digest.slots.get(slot) if peer.digest else None
    return extent.upto if extent else 0
