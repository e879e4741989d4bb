"""How long a frame takes between two nodes on each bus, and what it costs: `python -m bench.wires`.

Three processes' transports run in this one process. Each sends a frame of some 300 bytes to all, 20
times a second: so each frame leaves alone (see `bus.gathering`). The cost is this process's
processor time for each frame that arrives, sending counted in, less what the idle transports need.
The broker's own processor time is not in it.
"""

import asyncio
import resource
import secrets
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from ratchet.column import Row
from ratchet.frames import Frame, Rows
from ratchet.slot import Slot

from testing.brokers import BROKERS, MULTICAST, bus_at, wire_url
from testing.servers.shared import Shared
from testing.stations import Station
from testing.transports import until

SECONDS: Final = 10
RATE: Final = 20
# How many rows a frame has, each of another video.
ROWS: Final = 4


class Clock:
    """An inbox's frames, and how long each was on its way."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}
        self.took: list[float] = []

    def frame(self) -> Frame:
        """A frame that this clock knows when it comes."""
        start = ROWS * len(self.sent)
        seqs = range(start + 1, start + ROWS + 1)
        self.sent[seqs[-1]] = time.perf_counter()
        rows = tuple(Row(f"{seq:040}", seq, seq) for seq in seqs)
        return Rows(Slot("a", 1), start, seqs[-1], more=False, rows=rows, confirm=False)

    def note(self, frame: Frame) -> None:
        """The frame has come."""
        if isinstance(frame, Rows):
            self.took.append(time.perf_counter() - self.sent[frame.complete])


class Listener(Station):
    """A station that tells a clock what comes."""

    clock: Clock

    async def receive(self, frame: Frame, process: str) -> None:
        self.clock.note(frame)
        await super().receive(frame, process)


async def measure(url: str) -> str:
    """The cells of this bus's row."""
    cluster, clock = f"bench-{secrets.token_hex(4)}", Clock()
    async with AsyncExitStack() as stack:
        stations = [Listener(name, bus_at(url, cluster), cluster, beat_s=1.0) for name in "abc"]
        for one in stations:
            one.clock = clock
            await stack.enter_async_context(one.running())
        for one in stations:
            await until(lambda one=one: len(one.present) == 2, "all hear all")  # type: ignore[misc]
        idle = await _spent(SECONDS / 2) * 2
        before = _processor_s()
        began = time.perf_counter()
        for number in range(SECONDS * RATE):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            for one in stations:
                one.transport.send(clock.frame(), one.present)
        # What comes later counts as lost.
        await asyncio.sleep(0.5)
        spent = _processor_s() - before - idle
    arrived = len(clock.took)
    lost = 6 * SECONDS * RATE - arrived
    cost_us = spent / max(arrived, 1) * 1e6
    p50, p99 = median(clock.took) * 1e3, quantiles(clock.took, n=100)[98] * 1e3
    return f"{p50:.1f} ms | {p99:.1f} ms | {cost_us:.0f} us | {lost}"


async def _spent(seconds: float) -> float:
    before = _processor_s()
    await asyncio.sleep(seconds)
    return _processor_s() - before


def _processor_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Measure and print."""
    print("| bus | half of the frames within | 99 % within | processor time a frame | lost |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, Shared(Path(folder)) as servers:
        for name in (MULTICAST, *BROKERS):
            url = wire_url(name, servers)
            print(f"| {name} | {asyncio.run(measure(url))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
