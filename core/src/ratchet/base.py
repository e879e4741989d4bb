"""What folded slots have left behind: one number a video, and a fingerprint of them all."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import Final

from ratchet.names import MAX_COUNT

_WORD: Final = 2**64


class Base:
    """The base column. It only grows; two equal ones have equal fingerprints, in any order.

    The fingerprint is the sum of a hash of each entry, so that one change costs one entry, not
    all of them (an incremental multiset hash: Bellare and Micciancio, 1997).
    """

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

    def add(self, video: str, count: int) -> None:
        """Lift: `count` views of a slot that is folded now."""
        self._set(video, min(self.count(video) + count, MAX_COUNT))

    def merge(self, entries: Iterable[tuple[str, int]]) -> list[str]:
        """The larger of each; the videos that grew."""
        grown = [(video, count) for video, count in entries if count > self.count(video)]
        for video, count in grown:
            self._set(video, count)
        return [video for video, _ in grown]

    def chunk(self, start: int, limit: int) -> list[tuple[str, int]]:
        """Entries number `start` and following. Entries never leave, so numbers stay."""
        return list(islice(self._counts.items(), start, start + limit))

    def _set(self, video: str, count: int) -> None:
        before = self._counts.get(video)
        if before is not None:
            self.fingerprint -= _hash(video, before)
        if count or before is not None:
            self._counts[video] = count
            self.fingerprint = (self.fingerprint + _hash(video, count)) % _WORD


def _hash(video: str, count: int) -> int:
    return int.from_bytes(blake2b(f"{video} {count}".encode(), digest_size=8).digest())
