"""How long something took, many times: a histogram, which `/metrics` shows.

prometheus_client has histograms, too. Each of theirs takes a lock, and 1.2 us for a duration; this
takes 0.2. A node adds one for each response, in its one thread, and a view costs it 40 us in all.
"""

from bisect import bisect_left
from itertools import accumulate
from typing import Final

# The upper bounds of the buckets, in seconds. A commit takes milliseconds on a good disk. Above
# ten seconds, it no longer matters by how much.
BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Durations:
    """The durations that were added since the process started."""

    __slots__ = ("_counts", "total_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Something has taken so long."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds

    def include(self, other: "Durations") -> None:
        """Add all durations of `other`."""
        self._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        self.total_s += other.total_s

    @property
    def count(self) -> int:
        """How many were added."""
        return sum(self._counts)

    @property
    def up_to(self) -> list[int]:
        """For each of `BOUNDS_S`, and for infinity: how many durations were not longer."""
        return [*accumulate(self._counts)]
