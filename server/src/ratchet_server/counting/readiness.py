"""When a node that has just started may show its numbers: once it has caught up with its peers.

It may have been away for long; a number from its own disk alone would be smaller than what people
have already seen. Views are accepted all the while.
"""

import asyncio
from collections.abc import Callable
from typing import Final

_LOOK_S: Final = 0.02


class Readiness:
    """Whether reads are served. `wait` is to run once, when the node starts."""

    def __init__(self) -> None:
        self.ready = False

    async def wait(
        self,
        settled: Callable[[], bool],
        caught_up: Callable[[], bool],
        *,
        timeout_s: float,
    ) -> bool:
        """Return when every peer that could be reached has been caught up with, or at the timeout.

        `settled`: whether all peers that are known, also from other peers, have been tried.
        False if it was the timeout: this node may show less than others do.
        """
        try:
            async with asyncio.timeout(timeout_s):
                # Looked at, not told: it is cheap, happens once, and needs no event in the core.
                while not (settled() and caught_up()):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            self.ready = True
            return False
        self.ready = True
        return True
