"""Signals that stop a node: they are kept from the first line of the program on, so none is lost.

One handler stands from `hold` to the end of the process. A signal that comes while nobody listens
is kept for the next listener: there is no moment between two handlers in which it could be lost.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_kept: list[int] = []
_listener: Callable[[int], object] | None = None


def hold() -> None:
    """Keep every signal to stop from now on, instead of what Python does with it."""
    for number in STOPS:
        signal.signal(number, _keep)
    # The parent process may have blocked them, so that none comes before there is a handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@contextmanager
def listening(listener: Callable[[int], object]) -> Iterator[None]:
    """Pass every signal to stop to `listener`: those that were kept now, all others as they come.

    It is called in the main thread between any two of its steps, so it may only take notes and
    wake others, as `loop.call_soon_threadsafe` does.
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
    """After `hold`: the exit code is known; no signal changes it any more."""
    if signal.getsignal(signal.SIGTERM) is _keep:
        # At its very end Python removes its handlers, but signals that are ignored stay ignored.
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)


def _keep(number: int, _frame: FrameType | None) -> None:
    _kept.append(number)
    _pass_on()


def _pass_on() -> None:
    # Another signal may come between any two steps and run this function inside itself.
    while _listener:
        try:
            number = _kept.pop(0)
        except IndexError:
            return
        _listener(number)
