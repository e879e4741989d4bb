"""Saying a thing once a minute instead of a thousand times: for what others can make a log say."""

import time
from collections.abc import Callable, Hashable
from typing import Final

PERIOD_S: Final = 60.0
# So many different things in one period, and no more. It bounds the memory, and the log.
MOST: Final = 256


class Sparing:
    """What was said within the last period."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # The oldest first.
        self._said: dict[Hashable, float] = {}

    def due(self, what: Hashable) -> bool:
        """Whether `what` is to be said now; if so, it counts as said."""
        now = self._clock()
        while self._said and next(iter(self._said.values())) <= now - PERIOD_S:
            del self._said[next(iter(self._said))]
        if what in self._said or len(self._said) >= MOST:
            return False
        self._said[what] = now
        return True
