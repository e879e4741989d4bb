"""Looks at the operator's files again and again, so that a change needs no restart."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

# How often the node looks whether something has changed.
LOOK_S: Final = 2.0


class Source(Protocol):
    """Something that is read from files."""

    def look(self, *, ordered: bool) -> None:
        """Read what has changed. `ordered`: an operator says that it is complete, and that whatever
        is gone is gone on purpose. It runs in a thread. If it fails, it logs why, and all stays as
        it is."""


class Looks:
    """Looks at `sources`. `run` is the task."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._now = asyncio.Event()

    def now(self) -> None:
        """Look at once, on an operator's order."""
        self._now.set()

    async def run(self) -> None:
        """Look every `LOOK_S`, until cancelled."""
        while True:
            ordered = await self._wait()
            for source in self._sources:
                await asyncio.to_thread(source.look, ordered=ordered)

    async def _wait(self) -> bool:
        """Wait for the next look. Returns whether an operator has ordered it."""
        try:
            async with asyncio.timeout(LOOK_S):
                await self._now.wait()
        except TimeoutError:
            return False
        self._now.clear()
        return True
