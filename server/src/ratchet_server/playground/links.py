"""The links between the demo's nodes: a small TCP relay for each direction, which can be cut.

Node a reaches b through one relay and b reaches a through another, so whatever two nodes say to
each other passes here. A node that is cut off is heard by no other node and hears none; browsers
reach it as before. Cut means that connections break and new ones are dropped at once, as if a cable
had been pulled out; healed, nodes find each other again when they dial next, within seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Mapping
from functools import partial

from ratchet_server.demo_place import HOST

_CHUNK_BYTES = 64 * 1024
# No node of this machine is further away.
_CONNECT_TIMEOUT_S = 2.0

# Who dials, and whom.
Pair = tuple[str, str]


class Links:
    """All links, and who is cut off from them. Nothing here waits: a cut has happened when
    `cut_off` returns."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        """`ports`: where each node listens."""
        self._ports = dict(ports)
        self._cut: set[str] = set()
        self._open: dict[Pair, set[asyncio.StreamWriter]] = {}

    @property
    def cut(self) -> frozenset[str]:
        """The nodes that are cut off."""
        return frozenset(self._cut)

    async def serve(self, listeners: Mapping[Pair, socket.socket]) -> list[asyncio.Server]:
        """Begin to relay, from the listener of each pair to the second of it. Keep the result."""
        return [
            await asyncio.start_server(partial(self._connected, pair), sock=listener)
            for pair, listener in listeners.items()
        ]

    def cut_off(self, node: str) -> None:
        """Whatever this node says to others, or they to it, is lost from now on."""
        self._cut.add(node)
        for pair, writers in self._open.items():
            if node in pair:
                for writer in writers:
                    writer.transport.abort()

    def heal(self, node: str) -> None:
        """Its links are whole again, but those to nodes which are cut off themselves."""
        self._cut.discard(node)

    async def _connected(
        self, pair: Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        ends = {writer}
        writers = self._open.setdefault(pair, set())
        writers.add(writer)
        try:
            far_reader, far_writer = await self._dial(pair)
            ends.add(far_writer)
            writers.add(far_writer)
            # It may have been cut in the meantime.
            if not self._cut.isdisjoint(pair):
                far_writer.transport.abort()
            await _either(_pump(reader, far_writer), _pump(far_reader, writer))
        except (OSError, TimeoutError):
            pass  # Nobody is there. The one who dials finds that out by our closing.
        except asyncio.CancelledError:
            pass  # We stop. Of a stream's task that is cancelled, Python 3.11 prints a traceback.
        finally:
            writers -= ends
            for end in ends:
                end.close()

    async def _dial(self, pair: Pair) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._cut.isdisjoint(pair):
            raise ConnectionRefusedError
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(HOST, self._ports[pair[1]])


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copies until either ends, never faster than the sink takes it."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()


async def _either(*ways: Coroutine[None, None, None]) -> None:
    """Until one has ended; the other doesn't run on."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
