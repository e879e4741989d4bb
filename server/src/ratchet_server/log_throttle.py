"""At most one log line a minute for each cause: for lines that others can provoke at will."""

import time
from collections.abc import Callable, Hashable
from typing import Final

PERIOD_S: Final = 60.0
# How many different causes one period may log. This bounds the memory, and the log.
MOST: Final = 256


class LogThrottle:
    """The causes that were logged within the last period."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # The oldest first.
        self._logged: dict[Hashable, float] = {}

    def due(self, what: Hashable) -> bool:
        """Whether `what` is to be logged now; if so, it counts as logged."""
        now = self._clock()
        while self._logged and next(iter(self._logged.values())) <= now - PERIOD_S:
            del self._logged[next(iter(self._logged))]
        if what in self._logged or len(self._logged) >= MOST:
            return False
        self._logged[what] = now
        return True
