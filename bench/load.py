"""The load: many connections, each of which sends its next request when it has its answer.

A process of its own, and no more work for each answer than finding its end, so that the server is
what is measured. Every answer must be a 200.
"""

import argparse
import asyncio
import time
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop

# As many viewers as a small site has at once. With a few only, whoever waits for a disk before
# each next request measures the disk.
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
        """Begin."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one. Its body is one flat JSON object: it ends with a brace."""
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
        """Nobody else ends a connection."""
        self.failure = self.failure or f"the connection was lost: {exc}"


async def rate(url: str, *, for_s: float) -> float:
    """POSTs answered a second. Raises RuntimeError when one isn't answered with 200."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    request = f"POST {target} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n".encode()
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(lambda: Client(request), host, port)
        clients.append(client)
    # The first moments fill caches and queues.
    await asyncio.sleep(for_s / 4)
    before, started = sum(client.answers for client in clients), time.perf_counter()
    await asyncio.sleep(for_s)
    answers, took_s = sum(client.answers for client in clients), time.perf_counter() - started
    for client in clients:
        if client.failure:
            raise RuntimeError(f"{url}: {client.failure[:300]}")
    if answers == before:
        raise RuntimeError(f"{url}: no answer in {for_s} s")
    return (answers - before) / took_s


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("for_s", type=float)
    asked = parser.parse_args()
    print(uvloop.run(rate(asked.url, for_s=asked.for_s)))
