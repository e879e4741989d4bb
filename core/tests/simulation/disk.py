"""What a node has stored. It applies `Changes` in their documented order, all or nothing."""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator

from ratchet.changes import Changes, ColumnChange, Pending
from ratchet.column import Row
from ratchet.fingerprint import WORD, entry
from ratchet.generations import Generations
from ratchet.slot import Slot


class Disk:
    """The rows of each slot, the base and the maps. No real store has `answered`, `own` and
    `version`: they are for the checks."""

    def __init__(self) -> None:
        self.rows: dict[Slot, dict[str, Row]] = {}
        self.complete: dict[Slot, int] = {}
        self.base: dict[str, int] = {}
        self.newest = Generations()
        self.closed = Generations()
        self.folded = Generations()
        self.lifted_views: dict[str, int] = {}
        self.ids: set[str] = set()
        self.settled = False
        self.first_day = 0
        self.days: dict[tuple[int, str], int] = {}
        # The keys of views, each with its video if it has counted; and the pending views.
        self.keys: dict[str, str | None] = {}
        self.pending: dict[str, Pending] = {}
        # By the agenda: after this time no client sends the key again.
        self.expires: dict[str, float] = {}
        # Views that processes on this disk have answered.
        self.answered: Tally[str] = Tally()
        # The newest slot that a process on this disk has opened, whether it is on disk or not.
        self.own: Slot | None = None
        # The number of transactions so far.
        self.version = 0

    def write(self, changes: Changes) -> None:
        """One transaction."""
        self.version += 1
        for slot, complete, rows in changes.columns:
            stored = self.rows.setdefault(slot, {})
            for row in rows:
                before = stored.get(row.video, row)
                larger = max(row.views, before.views), max(row.seq, before.seq)
                stored[row.video] = Row(row.video, *larger)
            self.complete[slot] = max(complete, self.complete.get(slot, 0))
        for video, count in changes.base:
            self.base[video] = max(count, self.base.get(video, 0))
        for day, video, count in changes.days:
            self.days[day, video] = max(count, self.days.get((day, video), 0))
        for slot, videos, last, lifted_day in changes.lifts:
            stored = self.rows.get(slot, {})
            for video in [*stored] if last else videos:
                if lifted := stored.pop(video, None):
                    self.base[video] = self.base.get(video, 0) + lifted.views
                    if lifted_day is not None:
                        at = lifted_day, video
                        self.days[at] = self.days.get(at, 0) + lifted.views
            if last:
                self.rows.pop(slot, None)
                self.complete.pop(slot, None)
        self.newest.merge(changes.newest)
        self.closed.merge(changes.closed)
        self.folded.merge(changes.folded)
        if changes.newest:
            self.lifted_views = dict(changes.lifted_views)
        self.ids |= changes.ids
        self.settled |= changes.settled
        self.first_day = max(self.first_day, changes.first_day)
        self.days = {at: n for at, n in self.days.items() if at[0] >= self.first_day}
        self.keys |= {**changes.counted, **changes.elsewhere}
        for key in changes.promised:
            self.keys.setdefault(key, None)
        for key, pending in changes.pending.items():
            if pending:
                self.pending[key] = pending
            else:
                self.pending.pop(key, None)

    def forget_keys(self, before: float) -> dict[str, float]:
        """Forget the keys that expired before this time. Return them, and when each expired."""
        gone = {key: time for key, time in self.expires.items() if time < before}
        for key in gone:
            del self.expires[key]
            self.keys.pop(key, None)
        return gone

    def read(self, rows_in_a_part: int = 3) -> Iterator[Changes]:
        """Everything, in parts, like a store that does not hold it all in memory."""
        maps = [dict(it) for it in (self.newest, self.closed, self.folded, self.lifted_views)]
        yield Changes((), tuple(self.base.items()), (), maps[0], maps[1], maps[2], maps[3])
        yield Changes(ids=frozenset(self.ids), settled=self.settled, first_day=self.first_day)
        yield Changes(days=tuple((*at, views) for at, views in self.days.items()))
        yield Changes(pending=dict(self.pending))
        for slot, stored in self.rows.items():
            rows = sorted(stored.values(), key=lambda row: row.seq)
            for at in range(0, max(1, len(rows)), rows_in_a_part):
                part = tuple(rows[at : at + rows_in_a_part])
                yield Changes((ColumnChange(slot, self.complete[slot], part),))

    def count(self, slot: Slot, video: str) -> int:
        """The views of `video` in `slot`."""
        row = self.rows.get(slot, {}).get(video)
        return row.views if row else 0

    def fingerprint(self, slot: Slot) -> int:
        """The fingerprint of `slot` that a digest may have."""
        return sum(entry(row.video, row.views) for row in self.rows.get(slot, {}).values()) % WORD

    def base_fingerprint(self) -> int:
        """The fingerprint of the base that a digest may have."""
        return sum(entry(video, views) for video, views in self.base.items() if views) % WORD

    def value(self, video: str) -> int:
        """The views of `video` that a process which starts from this disk shows."""
        return self.base.get(video, 0) + sum(self.count(slot, video) for slot in self.rows)

    def copy(self) -> "Disk":
        """A backup."""
        copy = Disk()
        copy.rows = {slot: dict(rows) for slot, rows in self.rows.items()}
        copy.complete, copy.base = dict(self.complete), dict(self.base)
        copy.newest, copy.closed = Generations(self.newest), Generations(self.closed)
        copy.ids, copy.settled = {*self.ids}, self.settled
        copy.first_day, copy.days = self.first_day, dict(self.days)
        copy.folded, copy.lifted_views = Generations(self.folded), dict(self.lifted_views)
        copy.keys, copy.pending = dict(self.keys), dict(self.pending)
        copy.expires = dict(self.expires)
        # `own` stays empty: no process has opened a slot on the copy yet.
        copy.answered, copy.version = Tally(self.answered), self.version
        return copy


def merged(disks: Iterable[Disk]) -> Tally[str]:
    """The views of each video that all these disks have together: each disk lifted by all their
    folds, then the larger of each number.

    A cluster of these disks must end with exactly these views.
    """
    disks = list(disks)
    folded = Generations()
    for disk in disks:
        folded.merge(disk.folded)
    base: Tally[str] = Tally()
    slots: dict[Slot, Tally[str]] = {}
    for disk in disks:
        lifted = Tally(disk.base)
        for slot, rows in disk.rows.items():
            into = lifted if folded.covers(slot) else slots.setdefault(slot, Tally())
            for video, views, _ in rows.values():
                into[video] = into[video] + views if into is lifted else max(into[video], views)
        base |= lifted
    return sum(slots.values(), base)
