"""A column: one slot's counts of all videos, in the order in which its owner changed them.

A replica's state is a table: a row for each video, a column for each slot, and the base beside
them. A column has one writer, who numbers its changes 1, 2, 3, ...: that number is the `seq`.
A replica that is complete up to some seq has, for every video, at least what the owner had counted
by then. So one number for each column tells what a replica has. The map of these numbers is the
replica's digest (a version vector), and what another replica lacks is "the rows above its number".

A later change of a video replaces the earlier one. Therefore rows that come in several chunks make
nothing complete before the last chunk: if a video changed again, its views stand behind the higher
seq, in a later chunk, and nowhere else.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, KeysView
from itertools import islice
from typing import NamedTuple

from ratchet.fingerprint import WORD, entry
from ratchet.slot import Slot


class Row(NamedTuple):
    """One change: from `seq` on, the slot has counted `views` views of `video`."""

    video: str
    views: int
    seq: int


class Column:
    """The counts of one slot: complete in memory up to `complete`, on disk up to `durable`.

    Rows above `complete` may be here too. They count, and nothing is claimed about them.

    The column is an append-only log with an index of each video's newest entry. The log answers
    "what changed above seq?" by bisection, also for a million videos. Entries that a newer change
    has replaced are dropped when they outnumber the others. Arrays instead of row objects keep a
    column at some 170 bytes a video.
    """

    __slots__ = (
        "_late",
        "_newest",
        "_seqs",
        "_videos",
        "_views",
        "complete",
        "durable",
        "fingerprint",
        "slot",
        "total",
    )

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.complete = 0
        self.durable = 0
        # Equal on two replicas exactly when their counts of this slot are equal.
        self.fingerprint = 0
        # The views of all videos together.
        self.total = 0
        self._newest: dict[str, int] = {}
        self._videos: list[str] = []
        self._views = array("Q")
        self._seqs = array("Q")
        # Some entry stands behind one with a higher seq: it came in a second attempt to get it.
        self._late = False

    def __len__(self) -> int:
        return len(self._newest)

    def __iter__(self) -> Iterator[Row]:
        """Every video's newest row, in the order of seq."""
        return self._rows(-1)

    @property
    def highest(self) -> int:
        """The highest seq of any row that is here. It may be above `complete`."""
        if self._late:
            self._rebuild()
        return self._seqs[-1] if self._seqs else 0

    @property
    def videos(self) -> KeysView[str]:
        """All videos that have been counted."""
        return self._newest.keys()

    def views(self, video: str) -> int:
        """The views of `video` that this slot has counted."""
        at = self._newest.get(video)
        return 0 if at is None else self._views[at]

    def merge(self, rows: Iterable[Row], /) -> list[Row]:
        """Take the larger of each, in any order and as often as one likes. Return the rows that
        were larger."""
        # Local names: a node that starts merges a million rows.
        newest, videos, counts, seqs = self._newest, self._videos, self._views, self._seqs
        last = seqs[-1] if seqs else 0
        added = more = 0
        new = []
        for row in rows:
            video, views, seq = row
            at = newest.get(video)
            if at is not None:
                if views <= counts[at]:
                    continue
                added -= entry(video, counts[at])
                more -= counts[at]
            added += entry(video, views)
            more += views
            if seq < last:
                self._late = True
            last = seq
            newest[video] = len(videos)
            videos.append(video)
            counts.append(views)
            seqs.append(seq)
            new.append(row)
        self.fingerprint = (self.fingerprint + added) % WORD
        self.total += more
        if len(self._videos) > 2 * len(self._newest) + 64:
            self._rebuild()
        return new

    def above(self, seq: int, limit: int) -> tuple[list[Row], bool]:
        """At most `limit` rows above `seq`, and whether there are more.

        They don't end between two rows of one seq, because the next question is for the rows above
        it. (A process whose memory was set back numbers other changes with seqs that it has used.)
        """
        rows: list[Row] = []
        for row in self._rows(seq):
            if len(rows) == limit:
                whole = [each for each in rows if each.seq < row.seq]
                # So many rows of one seq are a forger's: send what a frame holds.
                return whole or rows, True
            rows.append(row)
        return rows, False

    def last(self, limit: int) -> tuple[str, ...]:
        """The `limit` videos that were changed last, or all of them."""
        newest = (
            video
            for index in range(len(self._videos) - 1, -1, -1)
            if self._newest.get(video := self._videos[index]) == index
        )
        return tuple(islice(newest, limit))

    def take(self, videos: Iterable[str]) -> list[tuple[str, int]]:
        """Remove these videos, to lift them into the base. Return them with their views."""
        taken = []
        for video in videos:
            at = self._newest.pop(video, None)
            if at is not None:
                taken.append((video, self._views[at]))
                self.total -= self._views[at]
                self.fingerprint = (self.fingerprint - entry(video, self._views[at])) % WORD
        # `last` then finds the last ones at once, however much has been taken.
        while self._videos and self._newest.get(self._videos[-1]) != len(self._videos) - 1:
            self._videos.pop()
            self._views.pop()
            self._seqs.pop()
        return taken

    def _rows(self, above: int) -> Iterator[Row]:
        if self._late:
            self._rebuild()
        for index in range(bisect_right(self._seqs, above), len(self._videos)):
            video = self._videos[index]
            if self._newest.get(video) == index:
                yield Row(video, self._views[index], self._seqs[index])

    def _rebuild(self) -> None:
        """Drop the replaced entries, and put the late ones in their place."""
        newest = sorted(self._newest.values(), key=self._seqs.__getitem__)
        self._videos = [self._videos[index] for index in newest]
        self._views = array("Q", [self._views[index] for index in newest])
        self._seqs = array("Q", [self._seqs[index] for index in newest])
        self._newest = {video: index for index, video in enumerate(self._videos)}
        self._late = False
