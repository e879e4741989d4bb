"""The signals that stop a node. None is lost, because this handles them from the first line on.

One handler stays from `hold` to the end of the process: with a change of handlers, a signal could
get lost in between. If a signal comes while there is no listener, it waits for the next listener.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_waiting: list[int] = []
_listener: Callable[[int], object] | None = None


def hold() -> None:
    """Hold every stop signal back for a listener, instead of letting Python handle it."""
    for number in STOPS:
        signal.signal(number, _handle)
    # The parent process may have blocked these signals, so that none arrives before this handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@contextmanager
def listening(listener: Callable[[int], object]) -> Iterator[None]:
    """Inside, pass every stop signal to `listener`: waiting ones at once, all others as they come.

    Python may interrupt the main thread anywhere to call `listener`. So `listener` may only leave
    the work to another task, as `loop.call_soon_threadsafe` does.
    """
    global _listener
    before = {number: signal.getsignal(number) for number in STOPS}
    hold()
    _listener = listener
    _pass_on()
    try:
        yield
    finally:
        _listener = None
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore() -> None:
    """Ignore stop signals from now on, so that none changes the exit code. Without an earlier
    `hold`, this does nothing."""
    if signal.getsignal(signal.SIGTERM) is _handle:
        # At the very end, Python removes its handlers, but ignored signals stay ignored.
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)


def _handle(number: int, _frame: FrameType | None) -> None:
    _waiting.append(number)
    _pass_on()


def _pass_on() -> None:
    # A further signal may interrupt this function anywhere, and call it again.
    while _listener:
        try:
            number = _waiting.pop(0)
        except IndexError:
            return
        _listener(number)
