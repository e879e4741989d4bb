"""When a node that has just started may show its numbers: once it has caught up with its peers.

The node may have been away for long. A number from its own disk alone could be smaller than one
that people have already seen. The node accepts views all the while.
"""

import asyncio
from collections.abc import Callable
from typing import Final

_LOOK_S: Final = 0.02


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

        `settled`: whether all peers that this node knows, also from its peers, have been tried.
        Returns False at the timeout: then this node may show less than others do.
        """
        try:
            async with asyncio.timeout(timeout_s):
                # Poll: it is cheap, a node starts once, and the core needs no event for that.
                while not (settled() and caught_up()):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            self.ready = True
            return False
        self.ready = True
        return True
