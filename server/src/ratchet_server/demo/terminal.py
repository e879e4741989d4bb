"""The person in front of the demo: wishes to stop, a press of Enter, and what is printed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor


class Terminal:
    """`stop` is set by Ctrl-C, SIGTERM and SIGHUP, `enter` by Enter; clear them to wait again.

    Make it inside the event loop, in the main thread.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.enter = asyncio.Event()
        # Where Ctrl-S holds the terminal, a print waits for as long; the nodes' links must not. One
        # thread: what is printed stays in order.
        self._printer = ThreadPoolExecutor(1, "printer")
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # SIGHUP is ignored under nohup, and shall be.
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):
                self._loop.add_signal_handler(number, self.stop.set)
        self.can_type = _in_foreground()
        if self.can_type:
            self._loop.add_reader(sys.stdin.fileno(), self._typed)

    async def say(self, text: str) -> None:
        """Returns when it is printed."""
        await self._loop.run_in_executor(self._printer, _print, text)

    def _typed(self) -> None:
        # In the background, reading the terminal would stop the whole program.
        if not _in_foreground():
            return
        try:
            typed = os.read(sys.stdin.fileno(), 4096)
        except OSError:
            typed = b""
        if b"\n" in typed:
            self.enter.set()
        if not typed:  # The terminal is gone.
            self.can_type = False
            self._loop.remove_reader(sys.stdin.fileno())


def _in_foreground() -> bool:
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # It is closed, or there never was one.
        return False


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        # The reader is gone (`ratchet demo | head`). The children still have to be stopped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
