"""The outbox: what waits to be published.

Nothing waits for long, so a bus that comes back is not flooded with what was true minutes ago.
"""

import asyncio
import time
from collections import deque
from typing import Final, NamedTuple

from ratchet_server.peering.bus.envelope import HEAD, Envelope

# How many bytes may wait, with their heads, and for how long. What was dropped is asked for again.
MOST_WAITING: Final = 8 * 2**20
WAIT_S: Final = 2.0


class _Waiting(NamedTuple):
    envelope: Envelope
    since: float


class Outbox:
    """Whole messages, in the order of their stamps."""

    def __init__(self) -> None:
        # How many were dropped.
        self.dropped = 0
        self._waiting: deque[_Waiting] = deque()
        self._size = 0
        self._filled = asyncio.Event()

    def add(self, envelope: Envelope) -> None:
        """Queue a message. It is dropped if too much waits."""
        now = time.monotonic()
        while self._waiting and now - self._waiting[0].since > WAIT_S:
            self._next()
            self.dropped += 1
        if self._size + _size(envelope) > MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(_Waiting(envelope, now))
        self._size += _size(envelope)
        self._filled.set()

    async def take(self) -> Envelope:
        """Wait for the next message that hasn't waited for too long."""
        while True:
            await self._filled.wait()
            while self._waiting:
                waiting = self._next()
                if time.monotonic() - waiting.since <= WAIT_S:
                    return waiting.envelope
                self.dropped += 1
            self._filled.clear()

    def _next(self) -> _Waiting:
        waiting = self._waiting.popleft()
        self._size -= _size(waiting.envelope)
        return waiting


def _size(envelope: Envelope) -> int:
    return HEAD + len(envelope.payload)
