"""The start of a process: the wall clock as it was then.

Each later time is this one and the seconds since then, by a clock that nobody sets. So if somebody
sets the wall clock while a process runs, no day ends and no name is old: a jump of a year must not
open a slot that nobody believes.
"""

from typing import NamedTuple


class Start(NamedTuple):
    """When a process started."""

    # By the wall clock, in milliseconds since 1970.
    wall_ms: int
    # By the clock of every `now`, in seconds.
    now: float

    def time_us(self, now: float) -> int:
        """The time at `now`, in microseconds since 1970."""
        return self.wall_ms * 1000 + int((now - self.now) * 1e6)
