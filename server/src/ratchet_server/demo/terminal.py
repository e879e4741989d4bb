"""The demo's terminal: its signals, a press of Enter, and the lines that the demo prints."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Terminal:
    """Ctrl-C, SIGTERM and SIGHUP set `stop`, and Enter sets `enter`. Clear them to wait again.

    Make it inside the event loop, in the main thread.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.enter = asyncio.Event()
        # While Ctrl-S holds the terminal, a print waits, and the nodes' links must not wait with
        # it. One thread keeps the lines in order.
        self._printer = ThreadPoolExecutor(1, "printer")
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup ignores SIGHUP. Leave it so.
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):
                self._loop.add_signal_handler(number, self.stop.set)
        self.can_type = _in_foreground()
        if self.can_type:
            self._loop.add_reader(sys.stdin.fileno(), self._typed)

    async def say(self, text: str) -> None:
        """Print `text`, and return when that is done."""
        await self._loop.run_in_executor(self._printer, _print, text)

    def hold_on_ctrl_z(self, send: Callable[[signal.Signals], None]) -> None:
        """From now on Ctrl-Z holds the children, too, until the shell lets this process go on.
        `send` sends them a signal."""

        def hold() -> None:
            send(signal.SIGSTOP)
            # Not SIGSTOP for ourselves: without a shell, nobody could let us go on. There, the
            # kernel ignores a SIGTSTP without a handler.
            self._loop.remove_signal_handler(signal.SIGTSTP)
            signal.raise_signal(signal.SIGTSTP)
            self._loop.add_signal_handler(signal.SIGTSTP, hold)
            send(signal.SIGCONT)

        self._loop.add_signal_handler(signal.SIGTSTP, hold)

    def _typed(self) -> None:
        # To read the terminal from the background would stop the whole program.
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
    except (OSError, ValueError, AttributeError):  # stdin is closed, or was never there.
        return False


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        # The reader is gone (`ratchet demo | head`). The demo still has to stop its children.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
