"""The load: many connections, each of which sends its next request when it has its response.

It runs in a process of its own, and only looks for the end of each response, so that the server is
measured and not the load. Every response must be a 200.
"""

import argparse
import asyncio
import time
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop

# As many viewers as a small site has at once. A few connections would measure the disk alone: each
# would wait for it before its next request.
CONNECTIONS: Final = 256


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes) -> None:
        self.answers = 0
        self.failure: str | None = None
        self._request = request
        self._head = b""
        self._transport: asyncio.WriteTransport = asyncio.WriteTransport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """A response, or a part of one. Its body is one flat JSON object: it ends with a brace."""
        data = self._head + data
        if not data.startswith(b"HTTP/1.1 200 "):
            self.failure = data.decode()
            self._transport.close()
        elif data.endswith(b"}"):
            self._head = b""
            self.answers += 1
            self._transport.write(self._request)
        else:
            self._head = data

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed the connection: that is a failure."""
        self.failure = self.failure or f"the connection was lost: {exc}"


async def rate(url: str, *, for_s: float) -> float:
    """Responses to POSTs a second. Raises RuntimeError when one is not a 200."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    request = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(lambda: Client(request), host, port)
        clients.append(client)
    # Wait until caches and queues are full.
    await asyncio.sleep(for_s / 4)
    before, started = sum(client.answers for client in clients), time.perf_counter()
    await asyncio.sleep(for_s)
    answers, took_s = sum(client.answers for client in clients), time.perf_counter() - started
    for client in clients:
        if client.failure:
            raise RuntimeError(f"{url}: {client.failure[:300]}")
    if answers == before:
        raise RuntimeError(f"{url}: no response in {for_s} s")
    return (answers - before) / took_s


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("for_s", type=float)
    options = parser.parse_args()
    print(uvloop.run(rate(options.url, for_s=options.for_s)))
