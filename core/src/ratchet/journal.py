"""The journal: what is in memory and not yet on disk, and what a digest may therefore claim.

Every change of the table that must be written passes through here. Rows and base entries of others
are merged into the table at once, and written with the next transaction; until then no digest
claims them. Our own views do not enter the table before they are on disk, so nobody sees a view
that a crash could take back ("durable before visible").

One transaction is under way at most: `begin`, then `written` or `unwritten`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Row
from ratchet.days import day_of
from ratchet.names import MAX_COUNT
from ratchet.slot import Slot
from ratchet.table import NONE, Joined, Table


@dataclass(slots=True)
class _Unsaved:
    """What has been merged into memory and is in no transaction yet."""

    # By video: only the newest row of each is worth writing, however long the disk is full.
    rows: dict[Slot, dict[str, Row]] = field(default_factory=dict)
    base: set[str] = field(default_factory=set)
    days: set[tuple[int, str]] = field(default_factory=set)
    maps: bool = False


@dataclass(slots=True)
class _OwnViews:
    """Views that were counted here and are on no disk yet, by video."""

    waiting: dict[str, int] = field(default_factory=dict)
    # Those of them that are answered already (`ack=memory`).
    answered: dict[str, int] = field(default_factory=dict)


class Journal:
    """What keeps `table` and the disk together."""

    def __init__(self, table: Table, max_lifted: int) -> None:
        """`max_lifted` is how many rows one transaction lifts at most."""
        self._table = table
        self._max_lifted = max_lifted
        self._unsaved = _Unsaved()
        self._own = _OwnViews()
        # Rows of imports that are on no disk yet.
        self._brought: dict[Slot, dict[str, int]] = {}
        # The transaction under way: all of it, our own rows in it, the views in those, and rows of
        # imports.
        self._writing: Changes | None = None
        self._own_rows: ColumnChange | None = None
        self._brought_rows: list[ColumnChange] = []
        self._own_in_flight = _OwnViews()

    # -- our own views ---------------------------------------------------------------------

    def count(self, video: str, views: int, *, answered: bool) -> None:
        """Count `views`. They become visible when the changes that hold them are on disk.

        `answered`: the caller has its answer already. So the views stay even if these changes are
        aborted, and `shown` includes them at once.
        """
        _add(self._own.waiting, video, views)
        if answered:
            _add(self._own.answered, video, views)

    def waiting(self, video: str) -> int:
        """Views of `video` that are counted here and on no disk yet."""
        return self._own.waiting.get(video, 0) + self._own_in_flight.waiting.get(video, 0)

    def shown(self, video: str) -> int:
        """The number to show here: what is on disk, and the answered views that are not yet.

        Without the latter a reader could see less than an answer that came a moment before. It is
        a number of this node alone: what others merge is on disk.
        """
        answered = self._own.answered.get(video, 0) + self._own_in_flight.answered.get(video, 0)
        return min(self._table.value(video) + answered, MAX_COUNT)

    def bring(self, slot: Slot, views_of: Mapping[str, int]) -> None:
        """Put rows into a slot that no process counts in (see `imports`). They become visible when
        the changes that hold them are on disk; if these are aborted, they are forgotten."""
        brought = self._brought.setdefault(slot, {})
        for video, views in views_of.items():
            brought[video] = max(views, brought.get(video, 0))

    # -- merging what others have ------------------------------------------------------------

    def merge_rows(self, slot: Slot, rows: Iterable[Row], complete: int) -> bool:
        """Take the larger of each row; `slot` is complete up to `complete` then. Whether there is
        anything new to write."""
        column = self._table.column(slot)
        before, new = column.complete, column.merge(rows)
        column.complete = max(before, complete)
        if not new and column.complete == before:
            return False
        self._unsaved.rows.setdefault(slot, {}).update((row.video, row) for row in new)
        self._table.changed.update(row.video for row in new)
        return True

    def merge_base(self, entries: Iterable[tuple[str, int]]) -> None:
        """Take the larger of each entry of a base that stands on the same folds as ours."""
        grown = self._table.base.merge(entries)
        self._unsaved.base.update(grown)
        self._table.changed.update(grown)

    def merge_day(self, day: int, entries: Iterable[tuple[str, int]]) -> None:
        """The same for the entries of a day."""
        grown = self._table.days.merge(day, entries)
        self._unsaved.days.update((day, video) for video in grown)
        self._table.changed.update(grown)

    def forget_days(self, first: int) -> None:
        """Forget the days before `first`."""
        self._unsaved.maps |= self._table.days.forget_before(first)

    def join(
        self,
        newest: Mapping[str, int] = NONE,
        closed: Mapping[str, int] = NONE,
        folded: Mapping[str, int] = NONE,
    ) -> Joined:
        """Take the larger of each entry of the maps, and lift every slot that is folded now."""
        joined = self._table.join(newest, closed, folded)
        self._unsaved.maps |= joined.grown
        return joined

    def join_lifted_views(self, theirs: Mapping[str, int]) -> None:
        """Take the larger of each entry of `lifted_views`."""
        self._unsaved.maps |= self._table.join_lifted_views(theirs)

    def join_cluster(self, ids: Iterable[str] = (), *, settled: bool = False) -> None:
        """Take over ids of the cluster, and whether it is settled."""
        self._unsaved.maps |= self._table.join_cluster(ids, settled=settled)

    # -- a transaction -----------------------------------------------------------------------

    def begin(self, own: Slot | None, keys: Mapping[str, Any] = NONE) -> Changes | None:
        """Everything that is to be written now, our own views in slot `own` included; None when
        there is nothing. Without `own`, our views go on waiting. `keys`: see `Retries.begin`."""
        assert self._writing is None, "changes() before the last ones were committed or aborted"
        unsaved, self._unsaved = self._unsaved, _Unsaved()
        # Rows of a slot that was folded since are written too: the disk lifts what it has.
        columns = [
            ColumnChange(slot, self._table.complete(slot), tuple(rows.values()))
            for slot, rows in unsaved.rows.items()
        ]
        if own and self._own.waiting:
            self._own_in_flight, self._own = self._own, _OwnViews()
            self._own_rows = self._numbered(own)
            columns.append(self._own_rows)
        self._brought_rows = [*self._numbered_brought()]
        columns += self._brought_rows
        lifts = tuple(self._lifts())
        if not (columns or lifts or unsaved.base or unsaved.days or unsaved.maps or keys):
            return None
        table = self._table
        base = tuple((video, table.base.views(video)) for video in unsaved.base)
        days = tuple(
            (day, video, table.days.views(day, video))
            for day, video in unsaved.days
            if table.days.keeps(day)
        )
        maps: dict[str, Any] = {}
        if unsaved.maps:
            maps = {
                "newest": dict(table.newest),
                "closed": dict(table.closed),
                "folded": dict(table.folded),
                "lifted_views": dict(table.lifted_views),
                "ids": frozenset(table.ids),
                "settled": table.settled,
                "first_day": table.days.first,
            }
        self._writing = Changes(tuple(columns), base, lifts, days=days, **maps, **keys)
        return self._writing

    def written(self, changes: Changes) -> ColumnChange | None:
        """`changes` are on disk. Rows of others have been in their columns since they came. Our
        own rows enter the table now, and lifted rows the base. Return our own rows."""
        brought = self._brought_rows
        own = self._end(changes)
        self._table.cluster_is_on_disk(changes.ids, settled=changes.settled)
        for change in [*([own] if own else []), *brought]:
            self._merge_new(change)
        for slot, complete, _ in changes.columns:
            column = self._table.columns.get(slot)
            if column is not None:
                column.durable = max(column.durable, complete)
        for lift in changes.lifts:
            self._table.apply_lift(lift)
        return own

    def unwritten(self, changes: Changes) -> None:
        """`changes` are surely not on disk. What came from others is written with the next ones,
        and so are our own views that were answered. Our other views are forgotten: their callers
        hear that nothing was counted."""
        lost = self._own_in_flight.answered
        brought = self._brought_rows
        own = self._end(changes)
        for video, views in lost.items():
            self.count(video, views, answered=True)
        for change in changes.columns:
            if change is not own and not any(change is each for each in brought):
                older = {row.video: row for row in change.rows}
                newer = self._unsaved.rows.get(change.slot, {})
                self._unsaved.rows[change.slot] = older | newer
        self._unsaved.base.update(video for video, _ in changes.base)
        self._unsaved.days.update((day, video) for day, video, _ in changes.days)
        self._unsaved.maps = True

    # -- what may be claimed -------------------------------------------------------------------

    def is_settled(self, slot: Slot) -> bool:
        """Whether memory and disk hold the same rows of `slot`."""
        table = self._table
        if self._own_rows and self._own_rows.slot == slot and not table.is_closed(slot):
            # Our own views are not in the column yet, so an open slot is still what it was. Others
            # may fold a closed slot by what we claim, so it is unsettled until its last views are
            # in the column.
            return True
        column, writing = table.columns[slot], self._writing.columns if self._writing else ()
        return (
            column.durable == column.complete
            and slot not in self._unsaved.rows
            and all(change.slot != slot for change in writing)
        )

    def is_base_settled(self) -> bool:
        """Whether memory and disk hold the same base, day by day, and no slot is being lifted into
        it."""
        unsaved = self._unsaved.base or self._unsaved.days
        writing = self._writing and (self._writing.base or self._writing.days)
        return not (self._table.lifting or unsaved or writing)

    def _numbered(self, own: Slot) -> ColumnChange:
        """Our waiting views as the next rows of our slot."""
        column = self._table.columns[own]
        rows = tuple(
            Row(video, min(column.views(video) + views, MAX_COUNT), seq)
            for seq, (video, views) in enumerate(
                self._own_in_flight.waiting.items(), column.complete + 1
            )
        )
        return ColumnChange(own, rows[-1].seq, rows)

    def _numbered_brought(self) -> Iterator[ColumnChange]:
        """The waiting rows of imports, as the next rows of their slots."""
        waiting, self._brought = self._brought, {}
        for slot, views_of in waiting.items():
            if self._table.is_folded(slot):
                continue
            column = self._table.column(slot)
            larger = [(video, n) for video, n in views_of.items() if n > column.views(video)]
            if larger:
                # Others may number other rows like these. Then the fingerprints differ, and all
                # rows are exchanged.
                after = max(column.complete, column.highest)
                rows = tuple(Row(*each, after + at) for at, each in enumerate(larger, 1))
                yield ColumnChange(slot, rows[-1].seq, rows)

    def _merge_new(self, change: ColumnChange) -> None:
        """Merge our own rows, or those of an import, that are on disk now."""
        table = self._table
        table.changed.update(row.video for row in change.rows)
        column = table.columns.get(change.slot)
        if column is not None:
            column.merge(change.rows)
            column.complete = max(column.complete, change.complete)
            return
        # The slot was folded while these rows of it were being written.
        column = table.lifting[change.slot]
        before = column.total
        column.merge(change.rows)
        table.add_lifted_views(change.slot.node, column.total - before)
        self._unsaved.maps = True

    def _lifts(self) -> Iterator[Lift]:
        room = self._max_lifted
        for slot, column in self._table.lifting.items():
            videos = column.last(room)
            day = day_of(slot)
            kept = day if self._table.days.keeps(day) else None
            yield Lift(slot, videos, last=len(videos) == len(column), day=kept)
            room -= len(videos)
            if not room:
                break

    def _end(self, changes: Changes) -> ColumnChange | None:
        assert changes is self._writing, "these changes are not the ones being written"
        own, self._own_rows, self._writing = self._own_rows, None, None
        self._own_in_flight, self._brought_rows = _OwnViews(), []
        return own


def _add(views_of: dict[str, int], video: str, views: int) -> None:
    views_of[video] = views_of.get(video, 0) + views
