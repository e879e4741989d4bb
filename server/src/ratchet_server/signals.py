"""The signals that stop a node: this keeps them from the program's first line on, so none is lost.

One handler is there from `hold` to the end of the process. It keeps a signal that comes without a
listener for the next listener. A change of handlers could lose a signal in between.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_kept: list[int] = []
_listener: Callable[[int], object] | None = None


def hold() -> None:
    """From now on keep every signal to stop, instead of letting Python handle it."""
    for number in STOPS:
        signal.signal(number, _keep)
    # The parent process may have blocked these signals, so that none comes before this handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@contextmanager
def listening(listener: Callable[[int], object]) -> Iterator[None]:
    """Pass every signal to stop to `listener`: kept signals at once, all others as they come.

    Python calls `listener` in the main thread, between any two steps of it. So `listener` may only
    take notes and wake others, as `loop.call_soon_threadsafe` does.
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
    """Let no signal change the exit code any more. It does nothing without `hold` before it."""
    if signal.getsignal(signal.SIGTERM) is _keep:
        # At its very end Python removes its handlers. Ignored signals stay ignored.
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)


def _keep(number: int, _frame: FrameType | None) -> None:
    _kept.append(number)
    _pass_on()


def _pass_on() -> None:
    # Another signal may come between any two steps, and call this function inside itself.
    while _listener:
        try:
            number = _kept.pop(0)
        except IndexError:
            return
        _listener(number)
