"""What folded slots have left behind: one number a video."""

from collections.abc import Iterable, Iterator
from itertools import islice

from ratchet.fingerprint import WORD, entry
from ratchet.names import MAX_COUNT


class Base:
    """The base column. It only grows; two equal ones have equal fingerprints."""

    __slots__ = ("_counts", "fingerprint")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self.fingerprint = 0

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def count(self, video: str) -> int:
        """The views of `video` in folded slots."""
        return self._counts.get(video, 0)

    def add(self, video: str, views: int) -> None:
        """Lift: `views` of a slot that is folded now."""
        self._set(video, min(self.count(video) + views, MAX_COUNT))

    def merge(self, entries: Iterable[tuple[str, int]]) -> list[str]:
        """The larger of each; the videos that grew."""
        grown = []
        for video, views in entries:
            if views > self.count(video):
                self._set(video, views)
                grown.append(video)
        return grown

    def chunk(self, start: int, limit: int) -> list[tuple[str, int]]:
        """Entries number `start` and following. Entries never leave, so numbers stay."""
        return list(islice(self._counts.items(), start, start + limit))

    def _set(self, video: str, views: int) -> None:
        if before := self.count(video):
            self.fingerprint -= entry(video, before)
        if views:
            self._counts[video] = views
            self.fingerprint = (self.fingerprint + entry(video, views)) % WORD
