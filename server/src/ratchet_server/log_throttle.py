"""At most one log line a minute for each cause, for lines that clients can provoke at will."""

import time
from collections.abc import Callable, Hashable
from typing import Final

PERIOD_S: Final = 60.0
# How many different causes may be logged in one period. This bounds the memory and the log.
MAX_CAUSES: Final = 256


class LogThrottle:
    """Remembers the causes that were logged within the last period."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When each cause was logged, the oldest first.
        self._logged: dict[Hashable, float] = {}

    def due(self, cause: Hashable) -> bool:
        """Whether to log `cause` now. If so, it counts as logged."""
        now = self._clock()
        while self._logged and next(iter(self._logged.values())) <= now - PERIOD_S:
            del self._logged[next(iter(self._logged))]
        if cause in self._logged or len(self._logged) >= MAX_CAUSES:
            return False
        self._logged[cause] = now
        return True
