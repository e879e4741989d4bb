"""The signals that stop a node, and SIGHUP. No signal is lost: this module handles them from the
start on.

One handler stays from `hold` to the end of the process, because a signal could get lost while
handlers change. If a signal comes while there is no listener, it waits for the next listener.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# To a daemon it means: read your files again. The kernel also sends it when the terminal closes.
READ_AGAIN = signal.SIGHUP
_HANDLED = (*STOPS, READ_AGAIN)
# Longer than a callback of a weak reference takes.
_SOON_S = 0.01

_waiting: list[int] = []
_listener: Callable[[int], object] | None = None
# Whether this process ends when its terminal closes. With `nohup` it doesn't.
_ends_with_terminal = False


def hold() -> None:
    """Hold every such signal back for a listener, instead of letting Python handle it."""
    global _ends_with_terminal
    if signal.getsignal(READ_AGAIN) is signal.SIG_DFL:
        _ends_with_terminal = _has_terminal()
    for number in _HANDLED:
        signal.signal(number, _handle)
    # The parent process may have blocked these signals, so that none arrives before this handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)


def insist() -> None:
    """Make Ctrl-C raise `KeyboardInterrupt` wherever it comes. Python drops an error that is raised
    in the callback of a weak reference, and each import makes such a call."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)

    def unraisable(what: "sys.UnraisableHookArgs") -> None:
        if isinstance(what.exc_value, KeyboardInterrupt):
            # Raise it once more, when the callback is over.
            signal.setitimer(signal.ITIMER_REAL, _SOON_S)
        else:
            sys.__unraisablehook__(what)

    sys.unraisablehook = unraisable


def terminal_is_gone() -> bool:
    """Whether the terminal has closed in which a user had started this process."""
    return _ends_with_terminal and not _has_terminal()


@contextmanager
def listening(listener: Callable[[int], object]) -> Iterator[None]:
    """Inside, pass every signal to `listener`: waiting ones at once, all others as they come.

    Python may interrupt the main thread anywhere to call `listener`. So `listener` may only leave
    the work to another task, as `loop.call_soon_threadsafe` does.
    """
    global _listener
    before = {number: signal.getsignal(number) for number in _HANDLED}
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
    """Ignore these signals from now on, so that none changes the exit code. Without an earlier
    `hold`, this does nothing."""
    if signal.getsignal(signal.SIGTERM) is _handle:
        # At the very end, Python removes its handlers, but ignored signals stay ignored.
        for number in _HANDLED:
            signal.signal(number, signal.SIG_IGN)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


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
