"""The load: many connections, each of which sends its next request when it has its response.

A URL may have `{n}` in it, which stands for the number of one of many videos. With `--keys` each
request has a key of its own, as those of a page have.

It runs in a process of its own, and only looks for the end of each response, so that the server is
measured and not the load. Every response must be a 200.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from itertools import cycle
from os import urandom
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop

# As many viewers as a small site has at once. A few connections would measure the disk alone: each
# would wait for it before its next request.
CONNECTIONS: Final = 256
# How many videos `{n}` stands for.
VIDEOS: Final = 1000


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.answers = 0
        self.failure: str | None = None
        self._requests = requests
        self._head = b""
        self._transport: asyncio.WriteTransport = asyncio.WriteTransport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """A response, or a part of one. Its body is one flat JSON object: it ends with a brace."""
        data = self._head + data
        if not data.startswith(b"HTTP/1.1 200 "):
            self.failure = data.decode()
            self._transport.close()
        elif data.endswith(b"}"):
            self._head = b""
            self.answers += 1
            self._transport.write(next(self._requests))
        else:
            self._head = data

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed the connection: that is a failure."""
        self.failure = self.failure or f"the connection was lost: {exc}"


def requests(url: str, *, keys: bool) -> Iterator[bytes]:
    """Endless requests to `url`."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
    numbers = range(VIDEOS if "{n}" in head else 1)
    heads = [head.replace("{n}", str(number)).encode() for number in numbers]
    for each in cycle(heads):
        if keys:
            raw = urandom(16).hex()
            key = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
            yield each + b"Idempotency-Key: " + key.encode() + b"\r\n\r\n"
        else:
            yield each + b"\r\n"


async def rate(url: str, *, for_s: float, connections: int, keys: bool) -> float:
    """Responses to POSTs a second. Raises RuntimeError when one is not a 200."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    loop = asyncio.get_running_loop()
    clients = []
    sent = requests(url, keys=keys)
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: Client(sent), host, port)
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
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--keys", action="store_true")
    options = parser.parse_args()
    load = rate(
        options.url,
        for_s=options.for_s,
        connections=options.connections,
        keys=options.keys,
    )
    print(uvloop.run(load))
