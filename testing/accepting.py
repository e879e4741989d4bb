"""Servers in a test's own event loop, which leave no connection behind when they end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from testing.nodes import HOST

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[int]:
    """The port of a server that awaits `answer` for each connection. On exit, all end."""
    writers: list[asyncio.StreamWriter] = []
    answers: list[asyncio.Future[None]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task that is cancelled before its first step can't close its connection.
        writers.append(writer)
        answers.append(asyncio.ensure_future(answer(reader, writer)))

    server = await asyncio.start_server(accept, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await stop_accepting(server)
        server.close()
        for writer, task in zip(writers, answers, strict=True):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*answers, return_exceptions=True)


async def stop_accepting(server: asyncio.Server) -> None:
    """Accept nothing more, and wait until the server's protocol knows each connection.

    Between accepting a connection and calling the protocol, asyncio's loop turns twice. If the
    server is closed between the two, an assertion in `Server._attach` fails, which asyncio hides.
    Then nobody closes the connection, and much later some other test fails for it.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(3):
        await asyncio.sleep(0)
