"""A line that clients can provoke is logged at most once a minute."""

from collections.abc import Callable

from ratchet_server.log_throttle import MAX_CAUSES, PERIOD_S, LogThrottle


class TestLogThrottle:
    def test_each_cause_is_due_once_in_a_period(self) -> None:
        now = 0.0
        throttle = LogThrottle(clock=lambda: now)
        assert [throttle.due("x"), throttle.due("x"), throttle.due("y")] == [True, False, True]
        now = PERIOD_S - 1
        assert not throttle.due("x")
        now = PERIOD_S
        assert [throttle.due("x"), throttle.due("x")] == [True, False]

    def test_the_causes_of_one_period_are_bounded(self) -> None:
        now = 0.0
        throttle = LogThrottle(clock=lambda: now)
        due: Callable[[], int] = lambda: sum(throttle.due(n) for n in range(2 * MAX_CAUSES))  # noqa: E731
        assert due() == MAX_CAUSES
        now = PERIOD_S
        assert due() == MAX_CAUSES
