"""A virtual IP for tests: one address over several nodes, as a service or a balancer has it."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import chain, cycle

from testing.accepting import answering
from testing.nodes import HOST, PATIENCE_S, Node

_CHUNK_BYTES = 64 * 1024
_PAUSE_S = 0.01


@contextmanager
def virtual_ip(nodes: Sequence[Node], *, first: Sequence[Node]) -> Iterator[str]:
    """A URL whose connections reach the nodes in `first`, one after the other, and then all of
    `nodes` in turns. A node that does not accept is passed over."""
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(
        target=asyncio.run, args=[_serve(chain(first, cycle(nodes)), started)]
    )
    thread.start()
    port, loop, end = started.result(PATIENCE_S)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


async def _serve(
    targets: Iterator[Node],
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]],
) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await _reach(targets)
        try:
            await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
        finally:
            far_writer.transport.abort()
            writer.transport.abort()

    end = asyncio.Event()
    async with answering(relay) as port:
        started.set_result((port, asyncio.get_running_loop(), end))
        await end.wait()


async def _reach(targets: Iterator[Node]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for node in targets:
        with suppress(OSError):
            return await asyncio.open_connection(HOST, node.port)
        await asyncio.sleep(_PAUSE_S)
    raise AssertionError("there is always a next node")


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(_CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
        sink.write_eof()
