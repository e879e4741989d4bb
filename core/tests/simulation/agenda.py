"""Virtual time: it passes only when the next thing that is due happens."""

import heapq
from collections.abc import Callable

Act = Callable[[], None]


class Agenda:
    """What is due, in the order of time. Two at one time come in the order in which they were
    added."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Act]] = []
        self._count = 0

    def after(self, delay_s: float, act: Act) -> None:
        """`act` happens `delay_s` from now."""
        self._count += 1
        heapq.heappush(self._due, (self.now + delay_s, self._count, act))

    def every(self, period_s: float, act: Callable[[], bool], first_s: float = 0.0) -> None:
        """`act` happens again and again, until it returns False."""

        def again() -> None:
            if act():
                self.after(period_s, again)

        self.after(first_s, again)

    def next(self, until: float) -> bool:
        """Let the next thing happen, if it is due by `until`, and return True. Otherwise let time
        pass until then, and return False."""
        if not self._due or self._due[0][0] > until:
            self.now = max(self.now, until)
            return False
        time, _, act = heapq.heappop(self._due)
        self.now = max(self.now, time)
        act()
        return True

    def skip(self, seconds: float) -> None:
        """Let time pass in which nothing happens: everything is due that much later."""
        self.now += seconds
        # The order stays the same, so the list is still a heap.
        self._due = [(time + seconds, count, act) for time, count, act in self._due]
