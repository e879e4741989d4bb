"""A small round-robin balancer for machines without HAProxy: enough to try things, and it says so.

It follows the rules of balancer/haproxy.cfg.in, and one test suite runs against both: page loads
take turns, a view goes to the node that its Idempotency-Key names, websockets pass, `?node=a` is
granted while a is up, and what is not meant for the public is not found. Sanic receives requests,
httpx sends them on. A client's connection is closed after one request, and costs one bounded head,
one bounded body and a bounded time.

    python -m ratchet_server.demo.stand_in --bind 127.0.0.1:8080 --node a=127.0.0.1:1234 --node ...
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import re
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import httpcore
import httpx
from sanic import HTTPResponse, Request, Sanic
from sanic.compat import Header
from sanic.exceptions import BadRequest, PayloadTooLarge
from sanic.response import json

from ratchet_server.bounded import BoundedProtocol
from ratchet_server.demo.tasks import until_one_ends
from ratchet_server.errors import ApiError, JsonErrors

# The same bounds as in haproxy.cfg.in, where each has its reason.
CONNECTIONS = 2000
CONNECT_TIMEOUT_S = 2.0
REQUEST_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 30.0
TUNNEL_TIMEOUT_S = 3600.0
CHECK_INTERVAL_S = 1.0
CHECK_FAILURES = 2
BODY_BYTES = 16384
CHUNK_BYTES = 64 * 1024

VIA = "1.1 ratchet-stand-in"
_USUAL = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Via": VIA}

# Sanic is more lenient; two programs could see two different requests in the same bytes.
_HEAD = re.compile(
    rb"[A-Z]{1,16} /[!-~]* HTTP/1\.[01](\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)*"
)
_PASSES = re.compile(
    r"/|/learn|/embed|/view-count\.js|/favicon\.ico|/readyz|/api/node|/api/videos"
    r"|/(watch|assets|media|api/videos)/.*"
)
_LIVE = re.compile(r"/api/videos/[^/]*/(live|events)/?")
_READS = re.compile(r"/(api|assets|media)/.*|/readyz|/favicon\.ico|/view-count\.js")
_NAME = re.compile("[a-z0-9-]{1,63}")
# These belong to one connection, or say what only a balancer may say: none is passed on.
_NOT_FORWARDED = re.compile(
    r"connection|keep-alive|proxy-.*|te|trailer|expect|forwarded|x-forwarded-.*|transfer-encoding"
)
# Said of what a node says nothing of.
_BYTES = "application/octet-stream"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Node:
    """One node behind the balancer: its address, and whether it says that it is ready."""

    def __init__(self, given: str) -> None:
        self.name, self.address = split_name(given)
        split_address(self.address)
        self.ready = False
        self._failures = 0

    async def check(self, client: httpx.AsyncClient) -> None:
        """Asks once. A ready node is believed at once; one lost answer is not held against it."""
        try:
            async with asyncio.timeout(CHECK_INTERVAL_S):
                answer = await client.get(f"http://{self.address}/readyz")
            ready = answer.status_code == 200
        except (httpx.TransportError, TimeoutError):
            ready = False
        self._failures = 0 if ready else self._failures + 1
        self.ready = ready or (self.ready and self._failures < CHECK_FAILURES)

    def request(self, request: Request) -> httpx.Request:
        """What it gets of a client's request: as it was sent, and who really sent it."""
        kept = [pair for pair in request.headers.items() if not _NOT_FORWARDED.fullmatch(pair[0])]
        kept.append(("connection", "upgrade" if _is_websocket(request) else "close"))
        kept.append(("x-forwarded-for", request.ip))
        kept.append(("via", VIA))
        live = _LIVE.fullmatch(_path(request))
        return httpx.Request(
            request.method,
            f"http://{self.address}",
            headers=kept,
            content=request.body,
            extensions={
                "target": request.raw_url,
                "timeout": {
                    "connect": CONNECT_TIMEOUT_S,
                    "read": TUNNEL_TIMEOUT_S if live else SILENCE_TIMEOUT_S,
                    "write": SILENCE_TIMEOUT_S,
                },
            },
        )


class StandIn:
    """The balancer. `serve` runs until it is cancelled."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = [Node(node) for node in nodes]
        self._turns = {"pages": 0, "reads": 0, "views": 0}
        self._open = 0
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(limits=limits, trust_env=False)

    async def serve(self, bind: str) -> None:
        """Raises `OSError` where it can't listen."""
        address = split_address(bind)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.create_server(address, family=family) as sock:
            await asyncio.gather(*(node.check(self._client) for node in self._nodes))
            server: Any = await self._app().create_server(
                sock=sock, protocol=BoundedProtocol, access_log=False
            )
            await server.startup()
            print(f"ready http://{bind} (a stand-in; the real balancer is HAProxy)", flush=True)
            try:
                await asyncio.gather(*(self._watch(node) for node in self._nodes))
            finally:
                server.close()

    async def _watch(self, node: Node) -> None:
        while True:
            before = node.ready
            await node.check(self._client)
            if node.ready != before:
                print(f"{node.address} is {'ready' if node.ready else 'not ready'}", flush=True)
            await asyncio.sleep(CHECK_INTERVAL_S)

    def _app(self) -> Sanic[Any, Any]:
        app: Sanic[Any, Any] = Sanic(f"ratchet-stand-in-{id(self)}", configure_logging=False)
        app.config.MOTD = False
        app.config.KEEP_ALIVE = False
        app.config.REQUEST_MAX_SIZE = BODY_BYTES
        app.config.REQUEST_TIMEOUT = REQUEST_TIMEOUT_S
        # Nodes may be silent for so long; httpx bounds them.
        app.config.RESPONSE_TIMEOUT = TUNNEL_TIMEOUT_S
        errors = app.error_handler = JsonErrors(_USUAL)

        @app.signal("http.lifecycle.read_head")
        async def check_head(head: bytes) -> None:
            if _HEAD.fullmatch(head) is None:
                raise BadRequest

        @app.signal("http.lifecycle.request")
        async def check_length(request: Request) -> None:
            if "transfer-encoding" in request.headers:
                message = "The stand-in balancer takes no chunked bodies: send a Content-Length."
                raise ApiError(411, "length_required", message)

        @app.exception(PayloadTooLarge)
        async def too_large(request: Request, error: PayloadTooLarge) -> HTTPResponse:
            # A head without an end is no request.
            return errors.default(request, error if request.head else BadRequest())

        async def answer(request: Request, path: str = "") -> HTTPResponse | None:  # noqa: ARG001
            self._open += 1
            try:
                return await self._answer(request)
            finally:
                self._open -= 1

        # Sanic's word for a handler that may return None: it has sent its response itself.
        answer.is_websocket = True  # type: ignore[attr-defined]
        app.add_route(answer, "/", methods=_METHODS, name="root")
        app.add_route(answer, "/<path:path>", methods=_METHODS, name="rest")
        return app

    async def _answer(self, request: Request) -> HTTPResponse | None:
        if self._open > CONNECTIONS:
            raise _unavailable("Too many connections at once.")
        if _path(request) == "/healthz":
            return json({"status": "ok"}, headers=_USUAL)
        if _PASSES.fullmatch(_path(request)) is None:
            message = (
                "The balancer serves the pages and the video calls. Metrics, /peer and the calls of"
                " operators are not for the public: ask a node directly."
            )
            raise ApiError(404, "not_found", message)
        if any(VIA in value for value in request.headers.getall("via", [])):
            message = "The balancer has itself among its nodes. Give it the addresses of the nodes."
            raise ApiError(508, "loop", message)
        response = await self._ask(request)
        try:
            await _pass_on(response, request)
        except (httpx.TransportError, httpcore.NetworkError, httpcore.TimeoutException):
            # The node went away in the middle: the client sees that the response has no end.
            _connection(request).transport.abort()
        finally:
            await response.aclose()
        return None

    async def _ask(self, request: Request) -> httpx.Response:
        """Sends the request to one node after the other until one answers; close the response.

        Only this is sent again: what no node has been given, what a node has refused with 503, what
        a node has not of a page's files, and reads, which are safe to repeat. So a view that is
        answered 503 is surely not counted.
        """
        order = self._order(request)
        # A node that is about to stop, which no check has seen yet; one with another build's files.
        elsewhere = {503, 404} if _path(request).startswith("/assets/") else {503}
        for node in order:
            try:
                response = await self._client.send(node.request(request), stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                node.ready = False  # Until the next check no other request has to find out.
            except httpx.TimeoutException:
                raise _unsure(504, "gateway_timeout", "did not answer in time") from None
            except httpx.TransportError:
                if not _is_read(request):
                    raise _unsure(502, "bad_gateway", "went away before it answered") from None
            else:
                if response.status_code not in elsewhere or node is order[-1]:
                    return response
                await response.aclose()
        raise _unavailable("No node is ready.")

    def _order(self, request: Request) -> list[Node]:
        """The ready nodes, in the order in which they are asked."""
        ready = [node for node in self._nodes if node.ready]
        key = request.headers.get("idempotency-key")
        if key and not _is_read(request):
            # Rendezvous hashing: each key has its own order of all nodes. When one is lost, its
            # keys move and no others.
            return sorted(ready, key=lambda node: _rank(key, node), reverse=True)
        # Pages have a turn-taking of their own: in one turn with the files that a page fetches, a
        # page of six requests would meet the same of three nodes each time.
        if not _is_read(request):
            kind = "views"
        else:
            kind = "reads" if _READS.fullmatch(_path(request)) else "pages"
        turn = self._turns[kind] % max(1, len(ready))
        self._turns[kind] += 1
        order = ready[turn:] + ready[:turn]
        pins = _asked_for(request.query_string) if _is_read(request) else ()
        return sorted(order, key=lambda node: node.name not in pins)


async def _pass_on(response: httpx.Response, request: Request) -> None:
    headers = Header(response.headers.multi_items())
    headers.add("via", VIA)
    if response.status_code == 101:
        await _tunnel(response, request, headers)
        return
    for name in ("connection", "keep-alive", "transfer-encoding"):
        headers.popall(name, None)
    own = await request.respond(status=response.status_code, headers=headers, content_type=_BYTES)
    async for chunk in response.aiter_raw():
        # Sanic's protocol bounds how long a client may take nothing.
        await own.send(chunk)
    await own.eof()


async def _tunnel(response: httpx.Response, request: Request, headers: Header) -> None:
    """A websocket: after the heads, bytes both ways until either side ends."""
    client = _connection(request)
    node = response.extensions["network_stream"]

    async def up() -> None:
        while True:
            if not client.recv_buffer:
                await client.receive_more()  # Sanic cancels us when the client is gone.
            chunk = bytes(client.recv_buffer)
            client.recv_buffer.clear()
            await node.write(chunk, SILENCE_TIMEOUT_S)

    async def down() -> None:
        while chunk := await node.read(CHUNK_BYTES, TUNNEL_TIMEOUT_S):
            await client.send(chunk)

    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    await client.send(f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode())
    await until_one_ends(up(), down())


def _connection(request: Request) -> Any:
    """A `BoundedProtocol`; what it has of Sanic has no types."""
    return request.transport.get_protocol()


def _is_read(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


def _is_websocket(request: Request) -> bool:
    return _is_read(request) and request.headers.get("upgrade", "").lower() == "websocket"


def _path(request: Request) -> str:
    """As it was sent: %70 is no p here."""
    return request.raw_url.decode().partition("?")[0]


def _asked_for(query: str) -> set[str]:
    """All values of `node` in the query, as they stand there."""
    pairs = (pair.partition("=") for pair in re.split("[&;]", query))
    return {value for key, _, value in pairs if key == "node"}


def _rank(key: str, node: Node) -> bytes:
    return hashlib.sha256(f"{node.address} {key}".encode()).digest()


def _unavailable(why: str) -> ApiError:
    """For a request that no node has been given, or that each of them has refused with 503."""
    message = f"{why} Nothing was counted. Try again in a second."
    return ApiError(503, "unavailable", message, retry_after_s=1)


def _unsure(status: int, code: str, what: str) -> ApiError:
    """For a request whose fate only the node knows."""
    message = f"The node {what}. Send the request again; a view with the same Idempotency-Key."
    return ApiError(status, code, message)


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
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await until_one_ends(StandIn(nodes).serve(bind), stop.wait())


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="ratchet_server.demo.stand_in", description="A stand-in for HAProxy, to try Ratchet."
    )
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    parser.add_argument(
        "--node", required=True, metavar="[NAME=]HOST:PORT", action="append", dest="nodes"
    )
    arguments = parser.parse_args()
    try:
        asyncio.run(_main(arguments.bind, arguments.nodes))
    except (ValueError, OSError) as error:
        print(f"stand-in balancer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
