"""The base: what folded slots have left behind, one number for each video."""

from collections.abc import Iterable, Iterator, KeysView
from itertools import islice

from ratchet.fingerprint import WORD, entry
from ratchet.names import MAX_COUNT


class Base:
    """The base column. It only grows. Two equal bases have equal fingerprints."""

    __slots__ = ("_views", "fingerprint", "total")

    def __init__(self) -> None:
        self._views: dict[str, int] = {}
        self.fingerprint = 0
        # The views of all videos together.
        self.total = 0

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Every entry: a video and its views."""
        return iter(self._views.items())

    @property
    def videos(self) -> KeysView[str]:
        """All videos that have an entry."""
        return self._views.keys()

    def views(self, video: str) -> int:
        """The views of `video` in folded slots."""
        return self._views.get(video, 0)

    def add(self, video: str, views: int) -> None:
        """Lift `views` of a folded slot into the base."""
        self._set(video, min(self.views(video) + views, MAX_COUNT))

    def merge(self, entries: Iterable[tuple[str, int]], /) -> list[str]:
        """Take the larger of each. Return the videos that grew."""
        grown = []
        for video, views in entries:
            if views > self.views(video):
                self._set(video, views)
                grown.append(video)
        return grown

    def chunk(self, start: int, limit: int) -> list[tuple[str, int]]:
        """At most `limit` entries, from number `start` on. Entries never leave, so their numbers
        stay."""
        if start >= len(self):
            return []  # `start` comes from a peer, and islice takes no number above sys.maxsize
        return list(islice(self._views.items(), start, start + limit))

    def _set(self, video: str, views: int) -> None:
        if before := self.views(video):
            self.fingerprint -= entry(video, before)
            self.total -= before
        if views:
            self._views[video] = views
            self.total += views
            self.fingerprint = (self.fingerprint + entry(video, views)) % WORD
