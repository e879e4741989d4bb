"""Video ids in order, for a list that is read page by page while it grows."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice


class Listing:
    """A set of ids, sorted when it is read."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._ids: list[str] = []
        self._sorted = True

    def add(self, ids: Iterable[str]) -> None:
        """Take in `ids`; those that are known already change nothing."""
        new = set(ids) - self._known
        self._known |= new
        self._ids += new
        self._sorted &= not new

    def above(self, after: str) -> Iterator[str]:
        """The ids above `after`, in order."""
        if not self._sorted:
            # What was in order before still is, which is what Python's sort is quick at.
            self._ids.sort()
            self._sorted = True
        return islice(self._ids, bisect_right(self._ids, after), None)
