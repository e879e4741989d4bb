"""A node asks a peer for its clips at the very moment when that peer dies: the node goes on."""

import asyncio
import random
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvloop
from ratchet_server.http.catalogue import Catalogue
from ratchet_server.http.elsewhere import Elsewhere
from ratchet_server.http.shared_catalogue import Shared

from testing.nodes import HOST
from testing.transports import until

# With one of 300 connections, the reset came between the connection and its first use.
MANY = 1500


@contextmanager
def resetting() -> Iterator[str]:
    """The URL of a server that resets each connection, some microseconds after it was opened."""
    with socket.create_server((HOST, 0)) as server:

        def reset() -> None:
            for _ in range(MANY):
                connection, _ = server.accept()
                no_wait = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_wait)
                end = time.perf_counter() + random.uniform(0, 0.0006)
                while time.perf_counter() < end:
                    pass
                connection.close()

        thread = Thread(target=reset, daemon=True)
        thread.start()
        yield f"http://{HOST}:{server.getsockname()[1]}"


def test_a_peer_that_resets_connections_as_they_open_stops_no_node() -> None:
    async def story(url: str) -> None:
        # It asks at one URL after the other.
        others = {"b": [url] * MANY}
        own = Shared(Catalogue(None))
        elsewhere = Elsewhere("a", own, lambda: others, lambda _node: False)
        run = asyncio.create_task(elsewhere.run())
        await until(lambda: elsewhere.settled() or run.done(), "the peer was asked")
        assert not run.done(), run.exception()
        run.cancel()
        await asyncio.wait((run,))
        await elsewhere.close()

    with resetting() as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story(url))
