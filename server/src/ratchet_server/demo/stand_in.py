"""A small round-robin balancer for machines without HAProxy: enough to try things, and no more.

It follows the rules of balancer/haproxy.cfg.in, and one test suite runs against both. Sanic
receives requests, httpx sends them on. A client's connection ends after one request, with one
bounded head, one bounded body and a bounded time.

    python -m ratchet_server.demo.stand_in 127.0.0.1:8080 a=127.0.0.1:1234 b=127.0.0.1:1235 ...
"""

from __future__ import annotations

import asyncio
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

from ratchet_server.demo.stand_in_nodes import Node, Turns, split_address
from ratchet_server.demo.tasks import until_one_ends
from ratchet_server.http.backlog import Backlog
from ratchet_server.http.bounded_protocol import BoundedProtocol
from ratchet_server.http.errors import ApiError, JsonErrors

# The same bounds as in haproxy.cfg.in, where each has its reason.
REQUESTS = 2000
CONNECT_TIMEOUT_S = 2.0
REQUEST_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 30.0
TUNNEL_TIMEOUT_S = 3600.0
BODY_BYTES = 16384
CHUNK_BYTES = 64 * 1024

VIA = "1.1 ratchet-stand-in"
_USUAL = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Via": VIA}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# Sanic takes more than this. Then the stand-in and a node could parse the same bytes differently.
_HEAD = re.compile(
    rb"[A-Z]{1,16} /[!-~]* HTTP/1\.[01](\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)*"
)
_PASSES = re.compile(
    r"/|/learn|/embed|/view-count\.js|/favicon\.ico|/readyz|/api/node|/api/videos"
    r"|/(watch|assets|media|api/videos)/.*"
)
_LIVE = re.compile(r"/api/videos/[^/]*/(live|events)/?")
# Don't pass these headers on: they belong to one connection, or only a balancer may set them.
_NOT_FORWARDED = re.compile(
    r"connection|keep-alive|proxy-.*|te|trailer|expect|forwarded|x-forwarded-.*"
)


class StandIn:
    """The balancer. `serve` runs until it is cancelled."""

    def __init__(self, nodes: Sequence[str]) -> None:
        """`nodes`: each `[NAME=]HOST:PORT`. Raises `ValueError`."""
        if not nodes:
            raise ValueError("no nodes: give at least one [NAME=]HOST:PORT")
        self._nodes = [Node(node) for node in nodes]
        self._turns = Turns(self._nodes)
        self._open = 0
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(limits=limits, trust_env=False)

    async def serve(self, bind: str) -> None:
        """Serve on `bind`. Raises `OSError` if it can't listen there."""
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
                await asyncio.gather(*(node.watch(self._client) for node in self._nodes))
            finally:
                server.close()

    def _app(self) -> Sanic[Any, Any]:
        app: Sanic[Any, Any] = Sanic(f"ratchet-stand-in-{id(self)}", configure_logging=False)
        app.ctx.backlog = Backlog()
        app.config.MOTD = False
        app.config.KEEP_ALIVE = False
        app.config.REQUEST_MAX_SIZE = BODY_BYTES
        app.config.REQUEST_TIMEOUT = REQUEST_TIMEOUT_S
        # A websocket may last so long. httpx bounds how long a node may be silent.
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
            # A head without an end is a bad request.
            return errors.default(request, error if request.head else BadRequest())

        async def answer(request: Request, path: str = "") -> HTTPResponse | None:  # noqa: ARG001
            self._open += 1
            try:
                return await self._answer(request)
            finally:
                self._open -= 1

        # Sanic lets only websocket handlers return None. This handler may have sent its response.
        answer.is_websocket = True  # type: ignore[attr-defined]
        app.add_route(answer, "/", methods=_METHODS, name="root")
        app.add_route(answer, "/<path:path>", methods=_METHODS, name="rest")
        return app

    async def _answer(self, request: Request) -> HTTPResponse | None:
        path = _path(request)
        if self._open > REQUESTS:
            raise _unavailable("Too many requests at once.")
        if path == "/healthz":
            return json({"status": "ok"}, headers=_USUAL)
        if _PASSES.fullmatch(path) is None:
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
            pass_on = _tunnel if response.status_code == 101 else _pass_on
            return await pass_on(response, request)
        except (httpx.TransportError, httpcore.NetworkError, httpcore.TimeoutException):
            # The node went away in the middle of the response. The client must see a broken
            # connection, and not the end of a response.
            transport: Any = request.transport
            transport.abort()
            return None
        finally:
            await response.aclose()

    async def _ask(self, request: Request) -> httpx.Response:
        """Send the request to one node after the other until one answers. Close the response.

        Only these go to another node: a request that no node has received, one that a node has
        refused with 503, one for a page's file that a node lacks, and a read, which is safe to
        repeat. So a view that gets a 503 is surely not counted.
        """
        path, is_read = _path(request), request.method in ("GET", "HEAD")
        if is_read:
            order = self._turns.for_read(path, request.query_string)
        else:
            order = self._turns.for_view(request.headers.get("idempotency-key", ""))
        # 503: the node stops, and no check has seen it yet. 404: it has another build's files.
        elsewhere = {503, 404} if path.startswith("/assets/") else {503}
        for node in order:
            try:
                response = await self._client.send(_forwarded(request, node.address), stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                node.ready = False  # Until its next check, spare other requests this attempt.
            except httpx.TimeoutException:
                raise _unsure(504, "gateway_timeout", "did not answer in time") from None
            except httpx.TransportError:
                if not is_read:
                    raise _unsure(502, "bad_gateway", "went away before it answered") from None
            else:
                if response.status_code not in elsewhere or node is order[-1]:
                    return response
                await response.aclose()
        raise _unavailable("No node is ready.")


def _forwarded(request: Request, address: str) -> httpx.Request:
    """The request for a node: as the client sent it, with the client's address."""
    headers = [pair for pair in request.headers.items() if not _NOT_FORWARDED.fullmatch(pair[0])]
    is_websocket = request.headers.get("upgrade", "").lower() == "websocket"
    headers.append(("connection", "upgrade" if is_websocket else "close"))
    headers.append(("x-forwarded-for", request.ip))
    headers.append(("via", VIA))
    silence_s = TUNNEL_TIMEOUT_S if _LIVE.fullmatch(_path(request)) else SILENCE_TIMEOUT_S
    timeout = httpx.Timeout(SILENCE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, read=silence_s)
    return httpx.Request(
        request.method,
        f"http://{address}",
        headers=headers,
        content=request.body,
        extensions={"target": request.raw_url, "timeout": timeout.as_dict()},
    )


async def _pass_on(response: httpx.Response, request: Request) -> HTTPResponse | None:
    """Send the response on as the node sent it. Sanic sends a response that this returns."""
    headers = Header([*response.headers.multi_items(), ("via", VIA)])
    for name in ("connection", "keep-alive", "transfer-encoding"):
        headers.popall(name, None)
    # The type is for a node that names none.
    own = HTTPResponse(None, response.status_code, headers, "application/octet-stream")
    if request.method == "HEAD":
        return own  # Sanic can't end a stream that has no body.
    await request.respond(own)
    client: Any = request.protocol
    # A node knows whether a response may be so slow, and ends it if not.
    async with client.patiently():
        async for chunk in response.aiter_raw():
            await own.send(chunk)
            await client.drained()
        await own.send(end_stream=True)
    return None


async def _tunnel(response: httpx.Response, request: Request) -> None:
    """Relay a websocket: after the heads, bytes in both directions until either side ends."""
    client: Any = request.transport.get_protocol()
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

    lines = "".join(f"{name}: {value}\r\n" for name, value in response.headers.multi_items())
    await client.send(f"HTTP/1.1 101 Switching Protocols\r\n{lines}via: {VIA}\r\n\r\n".encode())
    await until_one_ends(up(), down())


def _path(request: Request) -> str:
    """The path as the client sent it, without decoding: %70 is not p here."""
    return request.raw_url.decode().partition("?")[0]


def _unavailable(why: str) -> ApiError:
    """The error for a request that no node has received, or that all have refused with 503."""
    message = f"{why} Nothing was counted. Try again in a second."
    return ApiError(503, "unavailable", message, retry_after_s=1)


def _unsure(status: int, code: str, what: str) -> ApiError:
    """The error for a request that a node may have carried out."""
    message = f"The node {what}. Send the request again; a view with the same Idempotency-Key."
    return ApiError(status, code, message)


async def _run(bind: str, nodes: Sequence[str]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await until_one_ends(StandIn(nodes).serve(bind), stop.wait())


def main() -> int:
    bind, *nodes = sys.argv[1:] or [""]
    try:
        asyncio.run(_run(bind, nodes))
    except (ValueError, OSError) as error:
        print(f"stand-in balancer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
