"""The most viewed videos, of any number of videos, without sorting them all.

Numbers only rise. So a video that was not among the first at the last look, and has not changed
since, is not among them now. A look sorts only the first ones and those that have changed.

This holds as long as the node shows the same videos. After a change of those, it looks at all.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from heapq import nsmallest
from operator import neg
from typing import Final

# How many videos are kept in order: as many as a request may ask for.
KEPT: Final = 1000
# How many changed videos one look sorts. More would hold up all else for too long.
CHUNK: Final = 5000
# For how long a result is used again.
FRESH_S: Final = 1.0
# How long `run` rests after a look, in times of the look.
IDLE: Final = 4


class Top:
    """The most viewed videos. `run` is the task that keeps the number of changed ones small."""

    def __init__(
        self,
        values: Callable[[Iterable[str]], Iterable[int]],
        named: Callable[[], Collection[Collection[str]]],
    ) -> None:
        """`values`: the number of each of these videos. None may fall. `named`: the videos that the
        node shows; an empty one: all."""
        self._values = values
        self._named = named
        # What it was at the last request.
        self._were_named: Collection[Collection[str]] = named()
        self._first: list[str] = []
        self._sorted_at = float("-inf")
        self._changed: set[str] = set()
        self._many = asyncio.Event()

    def changed(self, videos: Iterable[str]) -> None:
        """Note that the numbers of these videos may have risen."""
        self._changed.update(videos)
        if len(self._changed) > CHUNK:
            self._many.set()

    async def run(self) -> None:
        """Look whenever many have changed, until cancelled. Nobody waits for this, and a node that
        is new or starts has a million to look at: leave most of the time to others."""
        while True:
            await self._many.wait()
            began = time.monotonic()
            self._look()
            await asyncio.sleep(IDLE * (time.monotonic() - began))
            if len(self._changed) <= CHUNK:
                self._many.clear()

    async def first(self) -> list[str]:
        """The first ones, the most viewed first; equal ones in the order of their ids. It may be
        `FRESH_S` old."""
        named = self._named()
        if named != self._were_named:
            self._were_named = named
            self._first, self._sorted_at = [], float("-inf")
            for videos in named:
                self.changed(videos)
        await self._catch_up()
        if time.monotonic() - self._sorted_at > FRESH_S:
            self._look()
        return self._first

    async def _catch_up(self) -> None:
        while len(self._changed) > CHUNK:
            self._look()
            await asyncio.sleep(0)
        self._many.clear()

    def _look(self) -> None:
        chunk = {self._changed.pop() for _ in range(min(CHUNK, len(self._changed)))}
        chunk.update(self._first)
        if named := self._named():
            chunk = {video for video in chunk if any(video in videos for videos in named)}
        videos = [*chunk]
        ranked = nsmallest(KEPT, zip(map(neg, self._values(videos)), videos, strict=True))
        self._first = [video for views, video in ranked if views]
        self._sorted_at = time.monotonic()
