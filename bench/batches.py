"""Entries a second in batches of the largest size, and how long single views wait beside them.

A batch costs what its different videos and keys cost: a row in memory and one on disk for each
video. So the same batches are sent with few videos, with many, and with keys.
"""

import asyncio
import json
import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from ratchet_server.http.batch import MAX_ENTRIES

from bench import processes
from testing.nodes import HTTP, PATIENCE_S

BATCHES: Final = 60
VIDEOS: Final = 1000
# A back end has the secret. A node without one looks its caller up, which takes milliseconds.
SECRET: Final = "bench" * 8
SINGLE: Final = "/api/videos/single/views"


def measure(folder: Path) -> str:
    """Measure. Return lines of the table."""
    lines: list[str] = []
    for what, entry, goal in (
        (f" of {VIDEOS:,} videos", _plain, 300_000),
        (f" of {VIDEOS:,} videos, each with a key", _keyed, None),
        (f" of {MAX_ENTRIES:,} videos", _different, None),
    ):
        rate, cpu, wait_ms = asyncio.run(_rate(folder / f"batches{len(lines)}", entry))
        lines.append(
            f"| batches of {MAX_ENTRIES:,} views{what} | {rate:,.0f} a second, {cpu:,.0f} per "
            f"second of processor time; single views beside them wait {wait_ms:.0f} ms (median) "
            f"| {f'>= {goal:,}' if goal else ''} |"
        )
    return "\n".join(lines)


def _plain(n: int) -> dict[str, object]:
    return {"video": f"video-{n % VIDEOS}", "n": 1}


def _different(n: int) -> dict[str, object]:
    return {"video": f"video-{n}", "n": 1}


def _keyed(n: int) -> dict[str, object]:
    return _plain(n) | {"key": str(uuid.uuid4())}


async def _rate(data: Path, entry: Callable[[int], object]) -> tuple[float, float, float]:
    # Made before the clock starts.
    bodies = [json.dumps({"views": [entry(n) for n in range(MAX_ENTRIES)]}) for _ in range(BATCHES)]
    with _serving(data) as (url, used_s):
        HTTP.post(url + SINGLE).raise_for_status()
        waits: list[float] = []
        options: dict[str, Any] = {"base_url": url, "timeout": PATIENCE_S, "trust_env": False}
        options["headers"] = {"Authorization": f"Bearer {SECRET}"}
        async with httpx.AsyncClient(**options) as http:
            beside = asyncio.create_task(_single_views(http, waits))
            started, used = time.perf_counter(), used_s()
            for body in bodies:
                (await http.post("/api/views", content=body)).raise_for_status()
            took, used = time.perf_counter() - started, used_s() - used
            beside.cancel()
    views = BATCHES * MAX_ENTRIES
    return views / took, views / used, statistics.median(waits) * 1000


async def _single_views(http: httpx.AsyncClient, waits: list[float]) -> None:
    while True:
        started = time.perf_counter()
        (await http.post(SINGLE)).raise_for_status()
        waits.append(time.perf_counter() - started)
        # Some views, and not a load of their own.
        await asyncio.sleep(0.02)


@contextmanager
def _serving(data: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """A node: its URL, and how many seconds of processor time it has used."""
    with processes.serving(processes.node("a", data), {"RATCHET_SECRET": SECRET}) as url:
        pid = int((data / "lock").read_text())

        def used_s() -> float:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        yield url, used_s
