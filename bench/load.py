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

CONNECTIONS: Final = 64


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes) -> None:
        self.answers = 0
        self.failure: str | None = None
        self._request = request
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(body) < length or self._transport is None:
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self.failure = self._buffer.decode()
            self._transport.close()
            return
        self._buffer = b""
        self.answers += 1
        self._transport.write(self._request)

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
