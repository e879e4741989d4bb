"""Video ids in order, for a list that grows while clients read it page by page."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice


class Listing:
    """A set of ids. It is sorted only when somebody reads it."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._ids: list[str] = []
        self._sorted = True

    def __contains__(self, one: str) -> bool:
        return one in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, ids: Iterable[str]) -> None:
        """Add `ids`. Ids that are there already change nothing."""
        known = self._known
        new = [one for one in dict.fromkeys(ids) if one not in known]
        known.update(new)
        self._ids += new
        self._sorted &= not new

    def above(self, after: str) -> Iterator[str]:
        """The ids above `after`, in order."""
        if not self._sorted:
            # The old ids are still in order. Python's sort is fast on input that is nearly sorted.
            self._ids.sort()
            self._sorted = True
        return islice(self._ids, bisect_right(self._ids, after), None)
