"""Ends tasks that run a library's code: some libraries swallow a cancellation now and then."""

import asyncio
from typing import Any, Final

_AGAIN_S: Final = 0.1


async def end(*tasks: "asyncio.Task[Any]") -> list[Any]:
    """Cancel these tasks until all have ended. Returns their results or errors, in this order.

    They must need no time for their end: the next cancellation would break it off.
    """
    left = {*tasks}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
    return await asyncio.gather(*tasks, return_exceptions=True)
