"""Buses for tests: one in memory, and a tap on any bus, which can be closed.

The bus in memory is the smallest example of `ratchet_server.peering.bus.port.Bus`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from ratchet_server.peering.bus.port import LARGEST, Bus, BusError, Hear, Line


class MemoryBus:
    """Delivers each message at once. It can be down, and it can be frozen, as a broker can."""

    def __init__(self, *, largest: int = LARGEST) -> None:
        self.down = False
        self.largest = largest
        self._lines: dict[str, _MemoryLine] = {}
        self._frozen: list[tuple[str | None, bytes]] | None = None

    @contextlib.asynccontextmanager
    async def connect(self, process: str, hear: Hear) -> AsyncIterator[Line]:
        """See `port.Bus`."""
        if self.down:
            raise BusError("is down")
        line = self._lines[process] = _MemoryLine(self, hear)
        try:
            yield line
        finally:
            self._lines.pop(process, None)

    @property
    def listeners(self) -> set[str]:
        """The processes that listen."""
        return {*self._lines}

    def freeze(self) -> None:
        """Take messages, and deliver none."""
        self._frozen = []

    def thaw(self) -> None:
        """Deliver all at once."""
        frozen, self._frozen = self._frozen or [], None
        for to, message in frozen:
            self.deliver(to, message)

    def kill(self) -> None:
        """Break all lines, and accept no new ones."""
        self.down = True
        for line in [*self._lines.values()]:
            line.end.set_result(BusError("is down"))

    def deliver(self, to: str | None, message: bytes) -> None:
        """Deliver a message to those who listen."""
        if self._frozen is not None:
            self._frozen.append((to, message))
            return
        for process, line in [*self._lines.items()]:
            if to in {None, process}:
                line.hear(message)


class _MemoryLine:
    def __init__(self, bus: MemoryBus, hear: Hear) -> None:
        self.largest = bus.largest
        self._bus = bus
        self.hear = hear
        self.end: asyncio.Future[BusError] = asyncio.get_running_loop().create_future()

    async def publish(self, to: str | None, message: bytes) -> None:
        if self._bus.down:
            raise BusError("is down")
        self._bus.deliver(to, message)

    async def broken(self) -> BusError:
        return await asyncio.shield(self.end)


class Tap:
    """One node's way to a bus, which can be closed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._is_mute = False
        self._cut = asyncio.Event()

    def mute(self) -> None:
        """Let the node hear itself, and let nothing else pass."""
        self._is_mute = True

    def cut(self) -> None:
        """Break the line, and accept no new one."""
        self._cut.set()

    def heal(self) -> None:
        """Let everything pass again."""
        self._is_mute = False
        self._cut.clear()

    @contextlib.asynccontextmanager
    async def connect(self, process: str, hear: Hear) -> AsyncIterator[Line]:
        """See `port.Bus`."""
        if self._cut.is_set():
            raise BusError("can't be reached")

        def pass_on(message: bytes) -> None:
            if not self._is_mute:
                hear(message)

        async with self._bus.connect(process, pass_on) as line:
            yield _TapLine(self, line, process, hear)

    async def broken(self, line: Line) -> BusError:
        """Wait until the line is broken or cut."""
        ends = asyncio.create_task(line.broken()), asyncio.create_task(self._when_cut())
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _when_cut(self) -> BusError:
        await self._cut.wait()
        return BusError("is cut")

    def is_mute(self) -> bool:
        """Whether only the node itself hears what it publishes."""
        return self._is_mute


class _TapLine:
    def __init__(self, tap: Tap, line: Line, process: str, hear: Hear) -> None:
        self._tap = tap
        self._line = line
        self._process = process
        self._hear = hear

    @property
    def largest(self) -> int:
        return self._line.largest

    async def publish(self, to: str | None, message: bytes) -> None:
        if not self._tap.is_mute():
            await self._line.publish(to, message)
        elif to in {None, self._process}:
            self._hear(message)

    async def broken(self) -> BusError:
        return await self._tap.broken(self._line)
