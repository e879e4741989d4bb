"""A node's listening socket. The node opens it before all else. At the end, it closes the socket,
and lets responses that have begun go on for some seconds."""

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from sanic.application.state import ApplicationServerInfo
from sanic.http.constants import HTTP
from sanic.server.async_server import AsyncioServer

from ratchet_server.counting.departure import Departure
from ratchet_server.http.app import App
from ratchet_server.http.bounded_protocol import BoundedProtocol

# How many new connections may wait while the node is busy.
BACKLOG: Final = 1024
# How long connections may take to end when the node stops. The longer time is for clients that are
# still reading a response: a clip, say. (`bounded_protocol` ends the connection of a client that
# reads nothing.)
END_S: Final = 3.0
END_READING_S: Final = 10.0


class ListenError(Exception):
    """The node can't listen on the address. The message says why and how to mend it."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 takes any free port. Raises `ListenError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
                f"port {port} on {host} is taken, perhaps by another node; choose another --port"
            ) from None
        raise ListenError(
            f"can't listen on {host}:{port}: {error.strerror or error}; check --host and --port"
        ) from None


def url_of(sock: socket.socket) -> str:
    """http://host:port of a listening socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def serving(
    app: App,
    sock: socket.socket,
    end_streams: Sequence[Callable[[], None]],
    departure: Departure,
) -> AsyncIterator[None]:
    """Serve `app` on `sock`. On exit, call `end_streams`, and wait for the connections to end, for
    a bounded time."""
    # Sanic calls `listen` on the socket again. Without `backlog`, it would set a queue of 100.
    server = await app.create_server(
        sock=sock, protocol=BoundedProtocol, backlog=BACKLOG, access_log=False
    )
    assert server is not None
    # Without this, Sanic sends an empty `alt-svc` with each response. It leaves the header out if
    # it knows that it serves a single version of HTTP.
    app.state.server_info.append(ApplicationServerInfo({"version": HTTP.VERSION_1}))
    try:
        await server.startup()
        yield
    finally:
        await _close(server, end_streams, departure)


async def _close(
    server: AsyncioServer, end_streams: Sequence[Callable[[], None]], departure: Departure
) -> None:
    """Accept no more connections, let the open ones end, and abort those that don't."""
    closing = server.close()
    for end in end_streams:
        end()
    begun, waited_s = time.monotonic(), 0.0
    # If a connection doesn't end even after `abort`, it will end with the process.
    while server.connections and waited_s < END_READING_S + END_S:
        waited_s = time.monotonic() - begun
        for connection in tuple(server.connections):
            limit_s = END_READING_S if connection.is_being_read else END_S
            if waited_s > limit_s or departure.hurried:
                connection.abort()
            else:
                connection.close_if_idle()
        await asyncio.sleep(0.02)
    if closing:
        await closing
