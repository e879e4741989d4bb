"""Gathering: pushed rows that follow each other quickly leave as one message.

A busy node commits hundreds of times a second, and pushes what each commit had. Each message costs
the broker and every other node its time, and the receivers a commit. So a push that comes alone
leaves at once, and those that come within `GATHER_S` after it leave together.
"""

import asyncio
from collections.abc import Callable
from typing import Final

# This bounds how much later others see a view of a busy node. With a push each time, fifty messages
# a second.
GATHER_S: Final = 0.02
# How many frames leave together at most. Receivers merge them in one step.
MOST_FRAMES: Final = 64
# Stands between two frames. No frame's text has one.
BETWEEN: Final = "\n"


class Gathering:
    """The pushes that wait."""

    def __init__(self, publish: Callable[[str], None]) -> None:
        """`publish`: takes the frames' texts, with `BETWEEN` between them."""
        # How many characters leave together at most: a message that is cut into parts is lost if
        # one of them is. One frame alone may be longer.
        self.most = 0
        self._publish = publish
        self._texts: list[str] = []
        self._size = 0
        self._pause: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        """Publish this frame, now or soon."""
        size = len(text) + len(BETWEEN)
        if self._size + size > self.most or len(self._texts) == MOST_FRAMES:
            self.flush()
        self._texts.append(text)
        self._size += size
        if self._pause is None:
            self._end_pause()

    def flush(self) -> None:
        """Publish what waits: what comes next must not overtake it."""
        if self._texts:
            texts, self._texts, self._size = self._texts, [], 0
            self._publish(BETWEEN.join(texts))

    def stop(self) -> None:
        """Publish nothing more."""
        self._texts, self._size = [], 0
        if self._pause:
            self._pause.cancel()
            self._pause = None

    def _end_pause(self) -> None:
        self._pause = None
        if self._texts:
            self.flush()
            self._pause = asyncio.get_running_loop().call_later(GATHER_S, self._end_pause)
