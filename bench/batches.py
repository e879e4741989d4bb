"""Views a second in batches of the largest size, and how long single views wait beside them."""

import asyncio
import json
import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
from ratchet_server.http.batch import MAX_ENTRIES

from bench import processes
from testing.nodes import HTTP, PATIENCE_S

BATCHES: Final = 30
VIDEOS: Final = 1000
SINGLE: Final = "/api/videos/single/views"


def measure(folder: Path) -> str:
    """Measure. Return two lines of the table."""
    lines: list[str] = []
    for what, entry, goal in (("", _plain, 300_000), (", each with a key", _keyed, None)):
        rate, cpu, wait_ms = asyncio.run(_rate(folder / f"batches{len(lines)}", entry))
        lines.append(
            f"| views in batches of {MAX_ENTRIES:,}{what} | {rate:,.0f} a second, {cpu:,.0f} per "
            f"second of processor time; single views beside them wait {wait_ms:.0f} ms (median) "
            f"| {f'>= {goal:,}' if goal else ''} |"
        )
    return "\n".join(lines)


def _plain(n: int) -> dict[str, object]:
    return {"video": f"video-{n % VIDEOS}", "n": 1}


def _keyed(n: int) -> dict[str, object]:
    return _plain(n) | {"key": str(uuid.uuid4())}


async def _rate(data: Path, entry: Callable[[int], object]) -> tuple[float, float, float]:
    # Made before the clock starts.
    bodies = [json.dumps({"views": [entry(n) for n in range(MAX_ENTRIES)]}) for _ in range(BATCHES)]
    with _serving(data) as (url, used_s):
        HTTP.post(url + SINGLE).raise_for_status()
        waits: list[float] = []
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as http:
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
    with processes.serving(processes.node("a", data)) as url:
        pid = int((data / "lock").read_text())

        def used_s() -> float:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        yield url, used_s
