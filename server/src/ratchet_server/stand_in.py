"""A small round-robin balancer for machines without HAProxy: enough to try things, and it says so.

It follows the rules of balancer/haproxy.cfg.in, and one test suite runs against both: page loads
take turns, a view goes to the node that its Idempotency-Key names, websockets pass, `?node=a` is
granted while a is up, and what is not meant for the public is not found. A client's connection
carries one request and is closed after it, so each request is balanced anew and none can hide
behind another.

Whatever a client sends costs one bounded head, one bounded body and a bounded time.

    python -m ratchet_server.stand_in --bind 127.0.0.1:8080 --node a=127.0.0.1:1234 --node ...
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import re
import signal
import sys
from collections.abc import Sequence

from ratchet_server import stand_in_http as http

# The same bounds as in haproxy.cfg.in, where each has its reason.
CONNECTIONS = 2000
CONNECT_TIMEOUT_S = 2.0
REQUEST_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 30.0
TUNNEL_TIMEOUT_S = 3600.0
CHECK_INTERVAL_S = 1.0
CHECK_FAILURES = 2
CHUNK_BYTES = 64 * 1024

_PASSES = re.compile(
    r"/|/learn|/embed|/view-count\.js|/favicon\.ico|/readyz|/api/node|/api/videos"
    r"|/(watch|assets|media|api/videos)/.*"
)
_LIVE = re.compile(r"/api/videos/[^/]*/(live|events)/?")
_READS = re.compile(r"/(api|assets|media)/.*|/readyz|/favicon\.ico|/view-count\.js")
_NAME = re.compile("[a-z0-9-]{1,63}")

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


# All time limits are `asyncio.timeout`: in Python 3.11 `wait_for` can swallow a cancellation that
# comes with the result, and then the stand-in would not stop.


class Node:
    """One node behind the balancer: its address, and whether it says that it is ready."""

    def __init__(self, given: str) -> None:
        self.name, self.address = split_name(given)
        self.ready = False
        self._host, self._port = split_address(self.address)
        self._failures = 0

    async def open(self) -> Stream:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(self._host, self._port, limit=2 * http.HEAD_BYTES)

    async def check(self) -> None:
        """Asks once. A ready node is believed at once; one lost answer is not held against it."""
        try:
            async with asyncio.timeout(CHECK_INTERVAL_S):
                answer = await self._ask()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            answer = False
        self._failures = 0 if answer else self._failures + 1
        self.ready = answer or (self.ready and self._failures < CHECK_FAILURES)

    async def _ask(self) -> bool:
        reader, writer = await self.open()
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return http.status(await reader.readuntil(b"\r\n")) == 200
        finally:
            writer.close()


class StandIn:
    """The balancer. `serve` runs until it is cancelled."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = [Node(node) for node in nodes]
        self._turns = {"pages": 0, "reads": 0, "views": 0}
        self._open = 0

    async def serve(self, bind: str) -> None:
        host, port = split_address(bind)
        await asyncio.gather(*(node.check() for node in self._nodes))
        server = await asyncio.start_server(self._connected, host, port, limit=http.HEAD_BYTES)
        print(f"ready http://{bind} (a stand-in; the real balancer is HAProxy)", flush=True)
        try:
            await asyncio.gather(*(self._watch(node) for node in self._nodes))
        finally:
            # Not `async with server`: from Python 3.12 on that waits until the last websocket ends.
            server.close()

    async def _watch(self, node: Node) -> None:
        while True:
            before = node.ready
            await node.check()
            if node.ready != before:
                print(f"{node.address} is {'ready' if node.ready else 'not ready'}", flush=True)
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            try:
                if self._open > CONNECTIONS:
                    raise http.unavailable("Too many connections at once.")
                await self._exchange((reader, writer))
            except http.Refusal as refusal:
                writer.write(refusal.encode())
            # To close while something of the client's is unread would reset the connection, and the
            # answer with it. So it is read to its end, which comes when the client has the answer.
            writer.write_eof()
            async with asyncio.timeout(SILENCE_TIMEOUT_S):
                while await reader.read(CHUNK_BYTES):
                    pass
        except (OSError, EOFError, TimeoutError):
            pass  # The client is gone, or silent for too long: there is nobody to tell.
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _exchange(self, client: Stream) -> None:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            request = await _read_request(client)
            body = await client[0].readexactly(request.body_bytes())
        if request.path == "/healthz":
            client[1].write(http.own_answer("200 OK", b'{"status": "ok"}'))
            return
        if _PASSES.fullmatch(request.path) is None:
            message = (
                "The balancer serves the pages and the video calls. Metrics, /peer and the calls of"
                " operators are not for the public: ask a node directly."
            )
            raise http.Refusal("404 Not Found", "not_found", message)
        if any(key == "via" and http.VIA in value for key, value in request.headers):
            message = "The balancer has itself among its nodes. Give it the addresses of the nodes."
            raise http.Refusal("508 Loop Detected", "loop", message)
        client_host = str(client[1].get_extra_info("peername")[0])
        node, head = await self._ask(request, request.encode(client_host) + body)
        try:
            await _pass_on(request, head, client, node)
        finally:
            node[1].close()

    async def _ask(self, request: http.Request, message: bytes) -> tuple[Stream, bytes]:
        """Sends the message to one node after the other until one answers: its stream and head.

        Only this is sent again: what no node has been given, what a node has refused with 503, what
        a node has not of a page's files, and reads, which are safe to repeat. So a view that is
        answered 503 is surely not counted.
        """
        order = self._order(request)
        # Who is about to stop, and no check has seen it yet; who has another build of the page.
        elsewhere = {503, 404} if request.path.startswith("/assets/") else {503}
        for node in order:
            try:
                stream = await node.open()
            except (OSError, TimeoutError):
                node.ready = False  # Until the next check nobody else has to find out.
                continue
            try:
                stream[1].write(message)
                async with asyncio.timeout(SILENCE_TIMEOUT_S):
                    head = await stream[0].readuntil(b"\r\n\r\n")
                if http.status(head) not in elsewhere or node is order[-1]:
                    return stream, head
                stream[1].close()
            except TimeoutError as error:
                stream[1].close()
                what = "did not answer in time"
                raise http.unsure("504 Gateway Timeout", "gateway_timeout", what) from error
            except (OSError, EOFError, asyncio.LimitOverrunError) as error:
                stream[1].close()
                if not request.is_read:
                    what = "went away before it answered"
                    raise http.unsure("502 Bad Gateway", "bad_gateway", what) from error
            except asyncio.CancelledError:
                stream[1].close()
                raise
        raise http.unavailable("No node is ready.")

    def _order(self, request: http.Request) -> list[Node]:
        """The ready nodes, in the order in which they are asked."""
        ready = [node for node in self._nodes if node.ready]
        key = request.header("idempotency-key")
        if key and not request.is_read:
            # Rendezvous hashing: each key has its own order of all nodes. When one is lost, its
            # keys move and no others.
            return sorted(ready, key=lambda node: _rank(key, node), reverse=True)
        # Pages have a turn-taking of their own: in one turn with the files that a page fetches, a
        # page of six requests would meet the same of three nodes each time.
        if not request.is_read:
            kind = "views"
        else:
            kind = "reads" if _READS.fullmatch(request.path) else "pages"
        turn = self._turns[kind] % max(1, len(ready))
        self._turns[kind] += 1
        order = ready[turn:] + ready[:turn]
        pins = request.query("node") if request.is_read else ()
        return sorted(order, key=lambda node: node.name not in pins)


async def _read_request(client: Stream) -> http.Request:
    reader, writer = client
    try:
        request = http.Request.parse(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.LimitOverrunError as error:
        raise http.bad_request(f"The head is longer than {http.HEAD_BYTES} bytes.") from error
    if request.body_bytes() and (request.header("expect") or "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return request


async def _pass_on(request: http.Request, head: bytes, client: Stream, node: Stream) -> None:
    """Passes the answer on to its end; of a websocket both directions, until either ends."""
    switched = request.is_upgrade and http.status(head) == 101
    endless = switched or _LIVE.fullmatch(request.path) is not None
    client[1].write(http.answer_head(head, switched=switched))
    if not endless:
        await _pump(node[0], client[1], SILENCE_TIMEOUT_S)
        return
    # A browser says nothing upwards while it follows an event stream; that it has left is seen only
    # by reading.
    pumps = {
        asyncio.create_task(_pump(node[0], client[1], TUNNEL_TIMEOUT_S)),
        asyncio.create_task(_pump(client[0], node[1] if switched else None, TUNNEL_TIMEOUT_S)),
    }
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter | None, timeout_s: float
) -> None:
    """Copies until the source ends or falls silent, never faster than the sink takes it."""
    with contextlib.suppress(OSError, TimeoutError):
        while True:
            async with asyncio.timeout(timeout_s):
                chunk = await source.read(CHUNK_BYTES)
            if not chunk:
                return
            if sink is not None:
                sink.write(chunk)
                async with asyncio.timeout(SILENCE_TIMEOUT_S):
                    await sink.drain()


def _rank(key: str, node: Node) -> bytes:
    return hashlib.sha256(f"{node.address} {key}".encode()).digest()


def split_address(address: str) -> tuple[str, int]:
    """`host:port` in two. Raises ValueError with a message for a person."""
    host, _, port = address.rpartition(":")
    if not host or re.fullmatch("[0-9]{1,5}", port) is None or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not HOST:PORT, for instance 127.0.0.1:1234")
    return host.removeprefix("[").removesuffix("]"), int(port)


def split_name(node: str) -> tuple[str | None, str]:
    """`name=host:port` in two; without a name, that is None. Raises ValueError."""
    name, given, address = node.rpartition("=")
    if not given:
        return None, address
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{node!r} has no valid name: it is 1 to 63 of a-z 0-9 -")
    return name, address


async def _main(bind: str, nodes: Sequence[str]) -> None:
    serving = asyncio.ensure_future(StandIn(nodes).serve(bind))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="ratchet_server.stand_in", description="A stand-in for HAProxy, to try Ratchet out."
    )
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    parser.add_argument(
        "--node", required=True, metavar="[NAME=]HOST:PORT", action="append", dest="nodes"
    )
    arguments = parser.parse_args()
    try:
        for address in (arguments.bind, *(split_name(node)[1] for node in arguments.nodes)):
            split_address(address)
        asyncio.run(_main(arguments.bind, arguments.nodes))
    except (ValueError, OSError) as error:
        print(f"stand-in balancer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
