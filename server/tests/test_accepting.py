"""The servers of these tests end in order, whoever connects just then."""

import asyncio
import gc
import socket

import pytest
from ratchet_server.http.server import listen
from sanic import Blueprint, HTTPResponse, Request, empty

from testing.accepting import stop_accepting
from testing.nodes import HOST
from testing.transports import served


# asyncio calls the protocol two turns after accepting, so one of these ends in between.
@pytest.mark.parametrize("turns", range(4))
def test_a_connection_that_was_just_accepted_is_not_lost(turns: int) -> None:
    made: list[asyncio.BaseTransport] = []

    class Noting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)

    async def story() -> None:
        server = await asyncio.get_running_loop().create_server(Noting, HOST, 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            for _ in range(turns):
                await asyncio.sleep(0)
            await stop_accepting(server)
            server.close()
            # In its first turn, the loop only learns that there is a connection. Nobody has
            # accepted it yet, so the kernel resets it.
            assert len(made) == (turns >= 2)
            for transport in made:
                transport.close()
            await asyncio.sleep(0)

    asyncio.run(story())
    made.clear()
    # A connection that nobody has closed warns here, and warnings fail tests.
    gc.collect()


@pytest.mark.parametrize("turns", range(4))
def test_a_node_s_calls_end_with_their_connections(turns: int) -> None:
    calls = Blueprint("calls")

    @calls.get("/")
    async def nothing(_request: Request) -> HTTPResponse:
        return empty()

    async def story() -> None:
        with listen(HOST, 0) as sock:
            async with served(calls, sock):
                client = socket.create_connection(sock.getsockname())
                for _ in range(turns):
                    await asyncio.sleep(0)
        client.close()

    asyncio.run(story())
    gc.collect()
