"""Messages that nobody reads leave nothing behind once their connection is lost."""

import asyncio

import websockets
from ratchet_server.http.server import listen, url_of
from sanic import Blueprint, Request, Websocket

from testing.nodes import HOST
from testing.transports import open_sockets, served, until


def test_their_tasks_end_with_the_connection() -> None:
    async def story() -> None:
        calls, over = Blueprint("calls"), asyncio.Event()

        async def deaf(_request: Request, _socket: Websocket) -> None:
            await over.wait()

        calls.add_websocket_route(deaf, "/deaf")
        with listen(HOST, 0) as sock:
            async with served(calls, sock):
                before, sockets = len(asyncio.all_tasks()), open_sockets()
                url = url_of(sock).replace("http:", "ws:")
                async with websockets.connect(f"{url}/deaf", proxy=None) as client:
                    connected = len(asyncio.all_tasks())
                    for _ in range(3):
                        await client.send("anybody there?")
                    await until(lambda: len(asyncio.all_tasks()) > connected, "a message waits")
                    client.transport.abort()
                    over.set()
                await until(lambda: len(asyncio.all_tasks()) <= before, "all tasks have ended")
                await until(lambda: open_sockets() <= sockets, "the connection is closed")

    asyncio.run(story())
