"""One slot's counts of all videos, in the order in which its owner changed them.

A replica's state is a table: a row for each video, a column for each slot, and the base beside
them. A column has one writer, who numbers its changes 1, 2, 3, …: that number is the `seq`.
Everywhere else the column is a **prefix of its owner's history**: complete up to `upto`, and
nothing beyond. So one number a column tells all that a replica has, the map of these numbers is
its digest (a version vector), and what another replica lacks is "the rows above its number".

A later change of a video replaces the earlier, so a prefix can be sent with gaps in its numbers:
a chunk says from where to where it is complete, not how many rows that takes.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ratchet.slot import Slot


class Row(NamedTuple):
    """One change: from `seq` on, the slot has counted `views` views of `video`."""

    video: str
    views: int
    seq: int


class Column:
    """The counts of one slot, complete up to `upto`; `durable` of that is known to be on disk.

    Kept as an append-only log with an index of each video's newest entry: the log answers "what
    changed above seq?" by bisection, also for a million videos; entries that a newer change has
    replaced are dropped when they outnumber the others. Arrays instead of row objects keep it at
    some 170 bytes a video.
    """

    __slots__ = ("_counts", "_newest", "_seqs", "_videos", "durable", "slot", "upto")

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.upto = 0
        self.durable = 0
        self._newest: dict[str, int] = {}
        self._videos: list[str] = []
        self._counts = array("Q")
        self._seqs = array("Q")

    def __len__(self) -> int:
        return len(self._newest)

    def __iter__(self) -> Iterator[Row]:
        """Every video's newest row, in the order of seq."""
        return self._rows(0)

    def count(self, video: str) -> int:
        """How many views of `video` this slot has counted."""
        at = self._newest.get(video)
        return 0 if at is None else self._counts[at]

    def merge(self, start: int, upto: int, rows: Iterable[Row]) -> list[Row] | None:
        """Take in rows that are complete from `start` (exclusive) to `upto`; the new ones.

        `rows` come in the order of seq. None, and nothing is taken in, when `start` lies beyond
        what is here: merging across a gap would make this column something else than a prefix,
        and asking again costs one round trip.
        """
        if start > self.upto:
            return None
        new = [row for row in rows if row.seq > self.upto]
        for video, views, seq in new:
            # The owner only counts up, so a later row is never smaller. Larger-of all the same:
            # it is what makes this a CRDT, whoever sent the row.
            largest = max(views, self.count(video))
            self._newest[video] = len(self._videos)
            self._videos.append(video)
            self._counts.append(largest)
            self._seqs.append(seq)
        self.upto = max(self.upto, upto)
        if len(self._videos) > 2 * len(self._newest) + 64:
            self._compact()
        return new

    def above(self, seq: int, limit: int) -> tuple[int, list[Row]]:
        """At most `limit` rows above `seq`, and up to where they are complete."""
        rows: list[Row] = []
        for row in self._rows(bisect_right(self._seqs, seq)):
            if len(rows) == limit:
                return rows[-1].seq, rows
            rows.append(row)
        return self.upto, rows

    def _rows(self, at: int) -> Iterator[Row]:
        for index in range(at, len(self._videos)):
            video = self._videos[index]
            if self._newest[video] == index:
                yield Row(video, self._counts[index], self._seqs[index])

    def _compact(self) -> None:
        rows = list(self)
        self._videos = [row.video for row in rows]
        self._counts = array("Q", [row.views for row in rows])
        self._seqs = array("Q", [row.seq for row in rows])
        self._newest = {video: index for index, video in enumerate(self._videos)}
