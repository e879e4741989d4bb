"""Virtual time: what is due next happens next, and nothing else makes time pass."""

import heapq
from collections.abc import Callable

Act = Callable[[], None]


class Agenda:
    """Things to come, in the order of time; of two at one time, the one first put down."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Act]] = []
        self._count = 0

    def after(self, delay_s: float, act: Act) -> None:
        """`act` happens `delay_s` from now."""
        self._count += 1
        heapq.heappush(self._due, (self.now + delay_s, self._count, act))

    def every(self, period_s: float, act: Callable[[], bool], first_s: float = 0.0) -> None:
        """`act` happens again and again, until it answers False."""

        def again() -> None:
            if act():
                self.after(period_s, again)

        self.after(first_s, again)

    def next(self, until: float) -> bool:
        """The next thing happens, if it is due by `until`; otherwise it is `until`."""
        if not self._due or self._due[0][0] > until:
            self.now = max(self.now, until)
            return False
        time, _, act = heapq.heappop(self._due)
        self.now = max(self.now, time)
        act()
        return True

    def skip(self, seconds: float) -> None:
        """Time passes and nothing happens: all that is due is due that much later."""
        self.now += seconds
        # The order stays, so it is a heap still.
        self._due = [(time + seconds, count, act) for time, count, act in self._due]
