"""What wakes a program that looks after others: a wish to stop, a child's end, a line typed, and
whatever else can be read."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from types import FrameType, TracebackType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Bell:
    """Inside `with`, signals no longer interrupt: they end `wait`, and set `stop`.

    `stop` counts the wishes to stop; the second of an impatient person is worth knowing.
    """

    def __init__(self) -> None:
        self.stop = 0
        self.lines = 0
        self._typing = _has_terminal()

    @property
    def listens(self) -> bool:
        """Whether somebody can type a line to us."""
        return self._typing

    def __enter__(self) -> Bell:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._old_wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._old = {number: signal.getsignal(number) for number in (*_STOPPING, signal.SIGCHLD)}
        for number in _STOPPING:
            # Who starts us with nohup means it.
            if (number, self._old[number]) != (signal.SIGHUP, signal.SIG_IGN):
                signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout_s: float, *others: int) -> None:
        """Returns when something happened or the time is up. `others`: the numbers of files; that
        one of them can be read is for the caller to find out."""
        terminal = [sys.stdin.fileno()] if self._typing else []
        ready, _, _ = select.select([self._read, *terminal, *others], [], [], timeout_s)
        if self._read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._read, 4096)
        # In the background, reading the terminal would stop the whole program.
        typing = not {*terminal}.isdisjoint(ready)
        if typing and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp():
            typed = os.read(sys.stdin.fileno(), 4096)
            self.lines += typed.count(b"\n")
            self._typing = bool(typed)

    def _asked_to_stop(self, _: int, __: FrameType | None) -> None:
        self.stop += 1


def _has_terminal() -> bool:
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
