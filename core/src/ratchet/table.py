"""What a replica has: a row for each video, a column for each slot, the base, and the maps.

    video    base   a@17   a@42   b@23
    tide       40      3      0      9      a counter is one row: 40 + 3 + 0 + 9
    moss        2      0      7      1

Rows of others, entries of their base and what is closed and folded are merged in as they come, and
are handed out later, together with our own views, to be written in one transaction. Until then no
digest claims them. Our own views become part of the table only when they are on disk.

Folding lifts a column into the base: the views of each video move there, and the column is gone.
A slot may have millions of videos, so it happens a part with each transaction, in memory and on
disk alike; what is left of it meanwhile is in `lifting`, and counts as if it were in the base.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from ratchet import generations
from ratchet.base import Base
from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Column, Row
from ratchet.counter import Counter
from ratchet.generations import Generations
from ratchet.names import MAX_COUNT
from ratchet.slot import Slot

# Rows that are lifted in one transaction: views wait meanwhile.
MAX_LIFTED: Final = 2000


@dataclass(slots=True)
class _Unsaved:
    """What has been merged into memory and not yet handed out to be written."""

    # By video: only the newest row of each is worth writing, however long the disk is full.
    rows: dict[Slot, dict[str, Row]] = field(default_factory=dict)
    base: set[str] = field(default_factory=set)
    maps: bool = False


class Table:
    """The counts, and what is on its way to the disk. An `Exchange` is a table that talks."""

    def __init__(self) -> None:
        self.columns: dict[Slot, Column] = {}
        # What is left of folded columns, on its way into the base.
        self.lifting: dict[Slot, Column] = {}
        self.base = Base()
        # The maps of the cluster: the highest generation that is known of each name, the highest
        # that is closed, and the highest that is folded.
        self.heard: dict[str, int] = {}
        self.closed: dict[str, int] = {}
        self.folded: dict[str, int] = {}
        # By name: how many views of its slots have been lifted in all.
        self.lifted: dict[str, int] = {}
        # Videos whose visible value may have changed; whoever watches takes them out.
        self.changed: set[str] = set()
        self._unsaved = _Unsaved()
        self._writing: Changes | None = None
        # Our own views in `_writing`.
        self._own: ColumnChange | None = None

    # -- reading ---------------------------------------------------------------------------

    def counter(self, video: str) -> Counter:
        """The counter of `video`, as everybody may see it."""
        slots = {slot: n for slot, column in self.columns.items() if (n := column.count(video))}
        base = self.base.count(video) + sum(c.count(video) for c in self.lifting.values())
        return Counter(min(base, MAX_COUNT), slots)

    def value(self, video: str) -> int:
        """How often `video` was viewed: `counter(video).value`, without building the counter."""
        views = self.base.count(video)
        for columns in (self.columns, self.lifting):
            for column in columns.values():
                views += column.count(video)
        return min(views, MAX_COUNT)

    def videos(self) -> set[str]:
        """Every video that has been counted."""
        columns = (*self.columns.values(), *self.lifting.values())
        return {row.video for column in columns for row in column}.union(self.base)

    def fingerprint(self) -> str:
        """32 hex digits, equal on two replicas exactly when their counts are equal.

        (But for the moments in which one of them is just lifting a slot.)
        """
        columns = sorted(
            f"{slot}:{column.fingerprint:016x}"
            for slot, column in (*self.columns.items(), *self.lifting.items())
            if len(column)
        )
        text = " ".join([*columns, f"{self.base.fingerprint:016x}"])
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def is_closed(self, slot: Slot) -> bool:
        """Whether `slot` counts no more."""
        return generations.covers(self.closed, slot)

    def is_folded(self, slot: Slot) -> bool:
        """Whether `slot` lives in the base."""
        return generations.covers(self.folded, slot)

    def lacks(self, slot: Slot, upto: int) -> int:
        """How many changes of `slot` up to `upto` are not here."""
        return 0 if self.is_folded(slot) else max(0, upto - self._upto(slot))

    # -- merging ---------------------------------------------------------------------------

    def restore(self, stored: Changes) -> None:
        """Take in a part of what a store has; before anything else, as often as there are parts."""
        self._join(stored.heard, stored.closed, stored.folded)
        self.lifted = generations.join(self.lifted, stored.lifted)
        for slot, upto, rows in stored.columns:
            if self.is_folded(slot):
                # The process ended while the slot was being lifted: the rest of it goes on.
                self.lifting.setdefault(slot, Column(slot)).merge(rows)
                continue
            column = self._column(slot)
            column.merge(rows)
            column.upto = column.durable = max(column.upto, upto)
        self.base.merge(stored.base)
        self._unsaved = _Unsaved()

    def _merge_rows(self, slot: Slot, rows: tuple[Row, ...], upto: int) -> bool:
        """The larger of each, complete `upto` there. Whether there is anything new to write."""
        column = self._column(slot)
        before, new = column.upto, column.merge(rows)
        column.upto = max(before, upto)
        if not new and column.upto == before:
            return False
        self._unsaved.rows.setdefault(slot, {}).update((row.video, row) for row in new)
        self.changed.update(row.video for row in new)
        return True

    def _merge_base(self, entries: tuple[tuple[str, int], ...]) -> None:
        """The larger of each; only of a base that stands on the same folds as ours."""
        grown = self.base.merge(entries)
        self._unsaved.base.update(grown)
        self.changed.update(grown)

    def _join(self, heard: Generations, closed: Generations, folded: Generations) -> None:
        """The larger of each; what is folded now is lifted."""
        for ours, theirs in ((self.closed, closed), (self.folded, folded)):
            joined = generations.join(ours, theirs)
            if joined != ours:
                ours.update(joined)
                self._unsaved.maps = True
        for node, generation in (*heard.items(), *closed.items()):
            self._hear(Slot(node, generation))
        for slot in [slot for slot in self.columns if self.is_folded(slot)]:
            self._lift(slot)

    def _join_lifted(self, lifted: Generations) -> None:
        joined = generations.join(self.lifted, lifted)
        if joined != self.lifted:
            self.lifted = joined
            self._unsaved.maps = True

    def _hear(self, slot: Slot) -> None:
        if slot.generation > self.heard.get(slot.node, -1):
            self.heard[slot.node] = slot.generation
            self._unsaved.maps = True

    def _lift(self, slot: Slot) -> None:
        """The slot is folded; `_written` moves its rows, as they are moved on disk."""
        column = self.lifting[slot] = self.columns.pop(slot)
        self._lifted_more(slot.node, column.views)

    def _lifted_more(self, node: str, views: int) -> None:
        # Held like any count: a name's videos together may well be more than one number can say.
        self.lifted[node] = min(self.lifted.get(node, 0) + views, MAX_COUNT)

    def _column(self, slot: Slot) -> Column:
        column = self.columns.get(slot)
        if column is None:
            column = self.columns[slot] = Column(slot)
        return column

    # -- writing ---------------------------------------------------------------------------

    def _begin_writing(self, own: ColumnChange | None) -> Changes | None:
        """Everything that is to be written, with our own views; None when there is nothing."""
        assert self._writing is None, "changes() before the last ones were committed or aborted"
        unsaved, self._unsaved = self._unsaved, _Unsaved()
        # Rows of a slot that was folded since are written, too: the disk lifts what it has.
        columns = [
            ColumnChange(slot, self._upto(slot), tuple(rows.values()))
            for slot, rows in unsaved.rows.items()
        ]
        columns += [own] if own else []
        lifts = tuple(self._lifts())
        if not (columns or lifts or unsaved.base or unsaved.maps):
            return None
        base = tuple((video, self.base.count(video)) for video in unsaved.base)
        maps = (self.heard, self.closed, self.folded, self.lifted) if unsaved.maps else ({},) * 4
        self._own = own
        self._writing = Changes(tuple(columns), base, lifts, *map(dict, maps))
        return self._writing

    def _written(self, changes: Changes) -> None:
        """They are on disk. Rows of others have been in their columns since they came; our own
        become part of ours now, and what was lifted, of the base."""
        own = self._end_writing(changes)
        if own:
            self._merge_own(own)
        for slot, upto, _ in changes.columns:
            column = self.columns.get(slot)
            if column is not None:
                column.durable = max(column.durable, upto)
        for slot, videos, last in changes.lifts:
            for video, views in self.lifting[slot].take(videos):
                self.base.add(video, views)
            if last:
                del self.lifting[slot]

    def _unwritten(self, changes: Changes) -> None:
        """They are surely not on disk: all but our own views is written with the next ones."""
        own = self._end_writing(changes)
        for change in changes.columns:
            if change is not own:
                older = {row.video: row for row in change.rows}
                newer = self._unsaved.rows.get(change.slot, {})
                self._unsaved.rows[change.slot] = older | newer
        self._unsaved.base.update(video for video, _ in changes.base)
        self._unsaved.maps = True

    def _settled(self, slot: Slot) -> bool:
        """Whether just that is in memory of `slot` which is on disk."""
        column, writing = self.columns[slot], self._writing.columns if self._writing else ()
        if self._own and self._own.slot == slot and not self.is_closed(slot):
            # Our own views aren't in the column yet, so an open slot is what it was. What is said
            # of a closed one may be folded: it isn't settled before its last views are there.
            return True
        return (
            column.durable == column.upto
            and slot not in self._unsaved.rows
            and all(change.slot != slot for change in writing)
        )

    def _base_settled(self) -> bool:
        """Whether just that is in memory of the base which is on disk."""
        return not (self.lifting or self._unsaved.base or (self._writing and self._writing.base))

    def _merge_own(self, own: ColumnChange) -> None:
        self.changed.update(row.video for row in own.rows)
        column = self.columns.get(own.slot)
        if column is not None:
            column.merge(own.rows)
            column.upto = max(column.upto, own.upto)
            return
        # Our slot was folded while these rows of it were being written.
        column = self.lifting[own.slot]
        before = column.views
        column.merge(own.rows)
        self._lifted_more(own.slot.node, column.views - before)
        self._unsaved.maps = True

    def _end_writing(self, changes: Changes) -> ColumnChange | None:
        assert changes is self._writing, "these changes are not the ones being written"
        own, self._own, self._writing = self._own, None, None
        return own

    def _lifts(self) -> list[Lift]:
        lifts, room = [], MAX_LIFTED
        for slot, column in self.lifting.items():
            videos = column.last(room)
            lifts.append(Lift(slot, videos, last=len(videos) == len(column)))
            room -= len(videos)
            if not room:
                break
        return lifts

    def _upto(self, slot: Slot) -> int:
        column = self.columns.get(slot)
        return column.upto if column else 0
