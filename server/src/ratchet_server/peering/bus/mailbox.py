"""The mailbox: what has come and waits to be merged.

A bus can't be slowed down, as a websocket can. So what does not fit is dropped.
"""

import asyncio
from collections import deque
from typing import Final

from ratchet_server.peering.bus.envelope import HEAD

# How many bytes may wait, when each frame counts as if it had the longest head.
MOST_WAITING: Final = 8 * 2**20


class Mailbox:
    """The frames of each process, as text, in the order in which they came."""

    def __init__(self) -> None:
        # How many were dropped.
        self.dropped = 0
        self._waiting: dict[str, deque[bytes]] = {}
        self._size = 0
        self._filled = asyncio.Event()

    def add(self, process: str, text: bytes) -> None:
        """A frame has come. It is dropped if too much waits."""
        if self._size + HEAD + len(text) > MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.setdefault(process, deque()).append(text)
        self._size += HEAD + len(text)
        self._filled.set()

    async def take(self) -> dict[str, bytes]:
        """Wait for frames, and return the first one of each process."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        first = {process: waiting.popleft() for process, waiting in self._waiting.items()}
        self._waiting = {process: waiting for process, waiting in self._waiting.items() if waiting}
        self._size -= sum(HEAD + len(text) for text in first.values())
        return first

    def forget(self, process: str) -> None:
        """A process has left: nobody takes its frames any more."""
        self._size -= sum(HEAD + len(text) for text in self._waiting.pop(process, ()))
