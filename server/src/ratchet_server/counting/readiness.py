"""When a node that has just started may show its numbers: once it has caught up with its peers.

The node may have been away for long, so a number from its own disk alone could be smaller than one
that people have already seen. Meanwhile the node refuses reads, and accepts views.
"""

import asyncio
from collections.abc import Callable
from typing import Final

_POLL_S: Final = 0.02


class Readiness:
    """Whether the node serves reads. Run `wait` once, when the node starts."""

    def __init__(self) -> None:
        self.ready = False

    async def wait(
        self,
        settled: Callable[[], bool],
        caught_up: Callable[[], bool],
        *,
        timeout_s: float,
    ) -> bool:
        """Return once this node has caught up with every peer that it can reach, or at the timeout.

        `settled`: whether this node has tried all nodes that it or its peers know.
        `caught_up`: whether it has all that the connected peers had.
        Returns False at the timeout: then this node may show smaller numbers than others do.
        """
        try:
            async with asyncio.timeout(timeout_s):
                # Poll: it is cheap, and a node starts only once. The core needs no event for this.
                while not (settled() and caught_up()):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            self.ready = True
            return False
        self.ready = True
        return True
