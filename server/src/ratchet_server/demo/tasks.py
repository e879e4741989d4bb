"""Work side by side that leaves no task behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def until_one_ends(*work: Coroutine[Any, Any, object]) -> None:
    """Return when one has ended, or raise its error. Cancel the others."""
    await _run(work, asyncio.FIRST_COMPLETED)


async def until_all_end(*work: Coroutine[Any, Any, object]) -> None:
    """Return when all have ended. Raise the first error, and cancel the others then."""
    await _run(work, asyncio.FIRST_EXCEPTION)


async def _run(work: tuple[Coroutine[Any, Any, object], ...], until: str) -> None:
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=until)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
