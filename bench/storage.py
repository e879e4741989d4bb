"""Bytes of memory a video at three slots; with a million videos, the seconds until a node serves
that has them, and until a node that is empty has them, too."""

import asyncio
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet_server.counting.datadir import DATABASE
from ratchet_server.counting.store import Store

from bench import processes

VIDEOS: Final = 1_000_000
# For how long to wait for an empty node.
CATCH_UP_S: Final = 300.0
SLOTS: Final = tuple(Slot(name, 1763800000000000) for name in "abc")

# It runs in a process of its own, so that only the replica makes the memory grow.
_MEMORY: Final = """
import resource
from ratchet.replica import Replica
from ratchet.slot import Slot
from ratchet.column import Row
from ratchet.frames import Hello, Rows
VIDEOS = 200_000
replica = Replica(Hello("z", "0" * 16, ""), lambda: 1, lambda n: 0, 0.0)
replica.joined(Hello("a", "1" * 16, ""))
def used():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
before = used()
for name in "abc":
    slot = Slot(name, 1763800000000000)
    for start in range(0, VIDEOS, 1000):
        rows = tuple(Row(f"video-{n:07}", 1000 + n, n + 1) for n in range(start, start + 1000))
        replica.receive(Rows(slot, start, start + 1000, False, rows), "1" * 16, 0.0)
        replica.committed(replica.changes())
        replica.table.changed.clear()
print((used() - before) / VIDEOS)
"""


def memory() -> str:
    """Measure. Return one line of the table."""
    command = [sys.executable, "-c", _MEMORY]
    used = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return f"| memory a video, three slots | {used:.0f} bytes | < 1,000 |"


def start(folder: Path) -> str:
    """Measure. Return one line of the table."""
    data = _filled(folder)
    print("  starting with them", file=sys.stderr, flush=True)
    started = time.perf_counter()
    with processes.serving(processes.node("a", data)):
        took_s = time.perf_counter() - started
    return f"| start with {VIDEOS:,} videos stored | {took_s:.1f} s | <= 3 s |"


def catch_up(folder: Path) -> str:
    """Measure. Return one line of the table."""
    data = _filled(folder)
    print("  catching up with them", file=sys.stderr, flush=True)
    empty = folder / "empty"
    empty.mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(processes.serving(processes.node("a", data)))
        began = time.perf_counter()
        other = processes.node("b", empty, "--peer", url)
        url = stack.enter_context(processes.serving(other))
        while _videos(url) < VIDEOS:
            if time.perf_counter() - began > CATCH_UP_S:
                return f"| an empty node catches up | not within {CATCH_UP_S:.0f} s | <= 10 s |"
            time.sleep(0.1)
        took_s = time.perf_counter() - began
    return f"| an empty node catches up with {VIDEOS:,} videos | {took_s:.1f} s | <= 10 s |"


def _filled(folder: Path) -> Path:
    """The data of a node with a million videos, made once."""
    data = folder / "million"
    if not data.exists():
        print(f"  storing {VIDEOS:,} videos", file=sys.stderr, flush=True)
        data.mkdir()
        asyncio.run(fill(data / DATABASE))
    return data


def _videos(url: str) -> int:
    """How many videos the node at `url` has."""
    metrics = httpx.get(f"{url}/metrics", trust_env=False).raise_for_status().text
    found = re.search(r"^ratchet_videos (\S+)", metrics, re.MULTILINE)
    assert found
    return int(float(found[1]))


async def fill(path: Path) -> None:
    """Write a store that has a million videos in one slot, whose first views have come in another
    order than that of their ids."""
    store = await Store.open(path)
    for at in range(0, VIDEOS, 50_000):
        rows = tuple(
            Row(f"video-{n * 7919 % VIDEOS:07}", n % 1000 + 1, n + 1)
            for n in range(at, at + 50_000)
        )
        change = ColumnChange(SLOTS[0], rows[-1].seq, rows)
        await store.write(Changes(columns=(change,)))
    await store.close()
