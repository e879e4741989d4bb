"""The wire between the demo and its playground: orders go one way, who runs goes the other.

Lines of plain words. `run a b` says which nodes have a process now, all of them each time, so that
only the last such line counts. `kill c` and `start c` say what the playground wants of the demo,
which owns the processes; that it was done shows in the next `run`. An order that has become
pointless is ignored, so nothing goes wrong when both sides act at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple, get_args

Verb = Literal["kill", "start"]

# A line is a few words; whoever says more without an end is no part of us.
_LONGEST = 4096


class Order(NamedTuple):
    """What the playground wants to be done to a node's process."""

    verb: Verb
    node: str


class DemoEnd:
    """The demo's end. The other one, `theirs`, is for each process of the playground to inherit.

    It never blocks, whatever the playground does.
    """

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._heard = b""
        self._told: frozenset[str] | None = None

    def fileno(self) -> int:
        """For `select`."""
        return self._ours.fileno()

    def tell(self, running: Iterable[str], *, again: bool = False) -> None:
        """Say who runs, if that is news, or if a new process of the playground knows nothing."""
        told = frozenset(running)
        if told != self._told or again:
            with contextlib.suppress(BlockingIOError):
                self._ours.send(f"run {' '.join(sorted(told))}\n".encode())
                self._told = told

    def orders(self) -> Iterator[Order]:
        """Those that have come."""
        with contextlib.suppress(BlockingIOError):
            while chunk := self._ours.recv(_LONGEST):
                self._heard += chunk
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            verb, _, node = line.decode("ascii", "replace").partition(" ")
            for known in get_args(Verb):
                if verb == known:
                    yield Order(known, node)

    def close(self) -> None:
        """The playground ends when it finds this end closed."""
        self._ours.close()
        self.theirs.close()


class PlaygroundEnd:
    """The playground's end: who runs, and orders that return when they are carried out."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._running: frozenset[str] = frozenset()
        self._news = asyncio.Condition()
        self._writer: asyncio.StreamWriter | None = None

    @property
    def running(self) -> frozenset[str]:
        """The nodes that have a process."""
        return self._running

    async def listen(self) -> None:
        """Take in what the demo says; returns when the demo is gone."""
        reader, self._writer = await asyncio.open_connection(sock=self._wire, limit=_LONGEST)
        with contextlib.closing(self._writer):
            while line := await reader.readline():
                verb, *names = line.decode("ascii", "replace").split()
                if verb == "run":
                    async with self._news:
                        self._running = frozenset(names)
                        self._news.notify_all()

    async def carry_out(self, verb: Verb, node: str) -> None:
        """Returns when `node` is started, or gone. Wait with a time-out."""
        await self._say(f"{verb} {node}\n")
        await self.until(lambda: (node in self._running) == (verb == "start"))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for news of who runs until `holds()`."""
        async with self._news:
            await self._news.wait_for(holds)

    async def _say(self, line: str) -> None:
        assert self._writer is not None, "nobody listens yet"
        self._writer.write(line.encode())
        await self._writer.drain()
