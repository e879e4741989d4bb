"""The table: a row for each video, a column for each slot, the base, and the maps of the cluster.

    video    base   a@17   a@42   b@23
    tide       40      3      0      9      a counter is one row: 40 + 3 + 0 + 9
    moss        2      0      7      1

Folding a slot lifts its column into the base: the views of each video move there, and the column is
gone. A slot may have millions of videos, so this happens a part with each transaction, in memory
and on disk alike. The rest of the slot meanwhile is in `lifting`, and counts as if it were in the
base.

The table only holds and merges. `journal` decides what of it is written when.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple

from ratchet.base import Base
from ratchet.changes import Changes, ColumnChange, Lift
from ratchet.column import Column
from ratchet.counter import Counter
from ratchet.days import Days, day_of, on_day
from ratchet.generations import NOTHING, Generations
from ratchet.names import MAX_COUNT, MAX_IDS, MAX_LIFTED, is_import
from ratchet.slot import Slot
from ratchet.snapshot import Snapshot

NONE: Final[Mapping[str, int]] = {}


class Joined(NamedTuple):
    """What the maps of another replica have changed here."""

    # Generations that this replica did not know.
    started: tuple[Slot, ...]
    # Slots that are folded now: they have left the columns.
    lifted: tuple[Slot, ...]
    # Whether any map has grown, and must be written.
    grown: bool


NOTHING_NEW: Final = Joined((), (), grown=False)


class Table:
    """All counts of a replica, and what it knows of the slots of the cluster."""

    def __init__(self) -> None:
        self.columns: dict[Slot, Column] = {}
        # The rest of folded columns, on its way into the base.
        self.lifting: dict[Slot, Column] = {}
        self.base = Base()
        self.days = Days()
        # The highest generation of each name that is known, that is closed, that is folded.
        self.newest = Generations()
        self.closed = Generations()
        self.folded = Generations()
        # For each name that `folded` lists, how many views of its slots have been lifted.
        self.lifted_views: dict[str, int] = {}
        # The ids of the cluster, and whether it is settled: in memory, and on disk. The names that
        # are known to be whole. See `identity`.
        self.ids: set[str] = set()
        self.settled = False
        self.ids_on_disk: set[str] = set()
        self.settled_on_disk = False
        self.whole: set[str] = set()
        # The slot that this process counts in, None until it is open.
        self.own: Slot | None = None
        # Videos whose visible number may have changed. The driver takes them out.
        self.changed: set[str] = set()

    # -- reading ---------------------------------------------------------------------------

    def counter(self, video: str) -> Counter:
        """The counter of `video`, as anybody may see it."""
        slots = {slot: n for slot, column in self.columns.items() if (n := column.views(video))}
        base = self.base.views(video) + sum(c.views(video) for c in self.lifting.values())
        return Counter(min(base, MAX_COUNT), slots)

    def value(self, video: str) -> int:
        """How often `video` was viewed: `counter(video).value`, without building the counter."""
        views = self.base.views(video)
        for columns in (self.columns, self.lifting):
            for column in columns.values():
                views += column.views(video)
        return min(views, MAX_COUNT)

    def by_day(self, video: str) -> dict[int, int]:
        """The views of `video` on each day that is kept and has some."""
        views = {day: self.days.views(day, video) for day in self.days.days()}
        for columns in (self.columns, self.lifting):
            for slot, column in columns.items():
                if n := column.views(video):
                    day = day_of(slot)
                    if day is not None and self.days.keeps(day):
                        views[day] = views.get(day, 0) + n
        return {day: min(n, MAX_COUNT) for day, n in sorted(views.items()) if n}

    def on_day(self, day: int, videos: Iterable[str]) -> list[int]:
        """The views of each of these videos on `day`; 0 if that day is not kept."""
        if not self.days.keeps(day):
            return [0 for _ in videos]
        columns = (*on_day(self.columns, day), *on_day(self.lifting, day))
        return [
            min(self.days.views(day, video) + sum(c.views(video) for c in columns), MAX_COUNT)
            for video in videos
        ]

    def viewed_on(self, day: int) -> set[str]:
        """The videos that were viewed on `day`; none if that day is not kept."""
        if not self.days.keeps(day):
            return set()
        columns = (*on_day(self.columns, day), *on_day(self.lifting, day))
        return self.days.viewed_on(day).union(*(column.videos for column in columns))

    def snapshot(self, video: str) -> Snapshot:
        """What a browser receives."""
        return Snapshot(video, self.counter(video), Generations(self.folded))

    def videos(self) -> set[str]:
        """Every video that has been counted."""
        columns = (*self.columns.values(), *self.lifting.values())
        return set().union(self.base.videos, *(column.videos for column in columns))

    def fingerprint(self) -> str:
        """32 hex digits, equal on two replicas exactly when their counts are equal.

        (While a replica lifts a slot, its fingerprint differs although its counts don't.)
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
        return self.closed.covers(slot)

    def is_folded(self, slot: Slot) -> bool:
        """Whether `slot` lives in the base."""
        return self.folded.covers(slot)

    def nodes(self) -> list[str]:
        """The names of nodes that are listed. (Imports have names, too.)"""
        return [node for node in self.newest.names() if not is_import(node)]

    def is_gone(self, node: str) -> bool:
        """Whether `node` has left or was retired, and has not come back since."""
        return self.closed[node] >= self.newest[node] > NOTHING

    def is_blank(self) -> bool:
        """Whether there is no view in it."""
        columns = (*self.columns.values(), *self.lifting.values())
        return not len(self.base) and not any(map(len, columns))

    def claimed_ids(self) -> tuple[str, ...]:
        """The ids of the cluster that others may know to be here."""
        return tuple(sorted(self.ids_on_disk)[:MAX_IDS])

    def complete(self, slot: Slot) -> int:
        """Up to which seq everything of `slot` is in memory."""
        column = self.columns.get(slot)
        return column.complete if column else 0

    def lacks(self, slot: Slot, seq: int) -> int:
        """How many changes of `slot` up to `seq` are not in memory."""
        return 0 if self.is_folded(slot) else max(0, seq - self.complete(slot))

    # -- merging ---------------------------------------------------------------------------

    def column(self, slot: Slot) -> Column:
        """The column of `slot`, a new one if there is none."""
        column = self.columns.get(slot)
        if column is None:
            column = self.columns[slot] = Column(slot)
        return column

    def restore(self, stored: Changes) -> None:
        """Take in a part of what a store holds. Call it first, as often as there are parts."""
        self.join(stored.newest, stored.closed, stored.folded)
        self.join_lifted_views(stored.lifted_views)
        self.join_cluster(stored.ids, settled=stored.settled)
        self.cluster_is_on_disk(stored.ids, settled=stored.settled)
        for slot, complete, rows in stored.columns:
            if self.is_folded(slot):
                # The process ended while it lifted the slot: the rest of the slot goes on.
                self.lifting.setdefault(slot, Column(slot)).merge(rows)
                continue
            column = self.column(slot)
            column.merge(rows)
            column.complete = column.durable = max(column.complete, complete)
        self.base.merge(stored.base)
        self.days.forget_before(stored.first_day)
        for day, video, views in stored.days:
            self.days.merge(day, [(video, views)])

    def everything(self, limit: int) -> Iterator[Changes]:
        """All of it, in parts of at most `limit` rows, as a store holds it: see `restore`."""
        maps = (self.newest, self.closed, self.folded, self.lifted_views)
        yield Changes((), (), (), *maps, frozenset(self.ids), self.settled, self.days.first)
        for slot, column in (*self.columns.items(), *self.lifting.items()):
            rows = iter(column)
            while part := tuple(islice(rows, limit)):
                yield Changes(columns=(ColumnChange(slot, column.complete, part),))
        entries = iter(self.base)
        while some := tuple(islice(entries, limit)):
            yield Changes(base=some)
        by_day = iter(self.days)
        while several := tuple(islice(by_day, limit)):
            yield Changes(days=several)

    def join(
        self,
        newest: Mapping[str, int] = NONE,
        closed: Mapping[str, int] = NONE,
        folded: Mapping[str, int] = NONE,
    ) -> Joined:
        """Take the larger of each entry of the maps, and lift every slot that is folded now."""
        # What is folded is closed, and what is closed is known, whatever a store says.
        started = [slot for each in (newest, closed, folded) for slot in self.newest.merge(each)]
        news = [*started, *self.closed.merge(closed), *self.closed.merge(folded)]
        news += self.folded.merge(folded)
        lifted = tuple(slot for slot in self.columns if self.is_folded(slot))
        for slot in lifted:
            # `apply_lift` moves its rows, together with those on disk.
            column = self.lifting[slot] = self.columns.pop(slot)
            self.add_lifted_views(slot.node, column.total)
        if news:
            views = self.lifted_views.items()
            self.lifted_views = {node: n for node, n in views if node in self.folded}
        # A name that is forgotten now has not started.
        listed = {*self.newest.names()} if started else set()
        started = [slot for slot in started if slot.node in listed]
        return Joined(tuple(started), lifted, bool(news))

    def join_lifted_views(self, theirs: Mapping[str, int]) -> bool:
        """Take the larger of each entry of `lifted_views`. Whether any has grown."""
        grown = {
            node: n
            for node, n in theirs.items()
            if n > self.lifted_views.get(node, 0) and node in self.folded
        }
        self.lifted_views |= grown
        return bool(grown)

    def join_cluster(self, ids: Iterable[str], *, settled: bool) -> bool:
        """Take over ids of the cluster, and whether it is settled. Whether anything is new."""
        before = len(self.ids), self.settled
        self.ids.update(ids)
        self.settled |= settled
        return (len(self.ids), self.settled) != before

    def cluster_is_on_disk(self, ids: Iterable[str], *, settled: bool) -> None:
        """These ids are on disk, and `settled`, if it is set."""
        self.ids_on_disk.update(ids)
        self.settled_on_disk |= settled

    def add_lifted_views(self, node: str, views: int) -> None:
        """More views of `node` are lifted."""
        if node in self.folded:
            # A name's videos together may have more views than the others would believe. They would
            # refuse all of our digests.
            self.lifted_views[node] = min(self.lifted_views.get(node, 0) + views, MAX_LIFTED)

    def apply_lift(self, lift: Lift) -> None:
        """Move the views of some videos of a folded slot into the base, as it happened on disk."""
        for video, views in self.lifting[lift.slot].take(lift.videos):
            self.base.add(video, views)
            if lift.day is not None:
                self.days.add(lift.day, video, views)
        if lift.last:
            del self.lifting[lift.slot]
