"""The first moment of `ratchet`: a node hears a signal to stop before the rest of it is imported.

To import a node takes half a second, and all that while Python's own answers would stand: SIGTERM
and SIGQUIT kill, SIGINT ends in a traceback, and whoever told it to stop sees a node that failed.
So this file imports next to nothing, and answers them before anything else is read.

One handler stands from here to the end of the process. What comes while nobody listens is kept for
whoever listens next: there is no moment between two handlers in which a signal could be lost.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# What shells say of a command that Ctrl-C has ended.
INTERRUPTED = 130

_told: list[int] = []
_listener: Callable[[int], object] | None = None


def main() -> int:
    """The command `ratchet`: see `cli`. The exit code."""
    try:
        if sys.argv[1:2] == ["node"]:
            _hear()
        from ratchet_server import cli

        return cli.main()
    except KeyboardInterrupt:
        # Every other command ends where it stands, and has nothing to put away.
        return INTERRUPTED
    finally:
        _deafen()


@contextmanager
def listening(listener: Callable[[int], object]) -> Iterator[None]:
    """Tell `listener` every signal to stop: what was kept so far now, all others as they come.

    It is called in the main thread between any two of its steps, so it may only take notes and
    wake others, as `loop.call_soon_threadsafe` does.
    """
    global _listener
    before = {number: signal.getsignal(number) for number in STOPS}
    _hear()
    _listener = listener
    _tell()
    try:
        yield
    finally:
        _listener = None
        for number, handler in before.items():
            signal.signal(number, handler)


def _hear() -> None:
    for number in STOPS:
        signal.signal(number, _heard)
    # Whoever started us may have held them back, so that none comes before there is a handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _deafen() -> None:
    """The end has come and its exit code is known; no signal changes it any more."""
    if signal.getsignal(signal.SIGTERM) is _heard:
        # At its very end Python takes its handlers away, but leaves what is ignored.
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)


def _heard(number: int, _frame: FrameType | None) -> None:
    _told.append(number)
    _tell()


def _tell() -> None:
    # Another signal may come between any two steps and find this at work.
    while _listener:
        try:
            number = _told.pop(0)
        except IndexError:
            return
        _listener(number)
