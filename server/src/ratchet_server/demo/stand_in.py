"""A small round-robin balancer for machines without HAProxy: enough to try things, and no more.

It follows the rules of balancer/haproxy.cfg.in, and one test suite runs against both. Each
connection carries one request. h11 parses the request, and the balancer writes it anew for a node:
so the balancer and the node can't parse the same bytes differently. The bytes of the response pass
unchanged.

    python -m ratchet_server.demo.stand_in 127.0.0.1:8080 a=127.0.0.1:1234 b=127.0.0.1:1235 ...
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import closing, suppress
from http import HTTPStatus

import h11

from ratchet_server.demo.stand_in_nodes import Node, Turns, read_status

# The same bounds as in haproxy.cfg.in, which has their reasons. Two are missing. A response that
# has begun has no time limit: on one machine, each side notices at once when the other is gone. And
# no client has a limit of connections: HAProxy doesn't limit clients on its own machine either.
REQUEST_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 30.0
BODY_BYTES = 12000

VIA = b"1.1 ratchet-stand-in"
_CHUNK_BYTES = 16 * 1024
_LINGER_S = 1.0
_PASSES = re.compile(
    r"/|/learn|/embed|/(view-)?count\.js|/favicon\.ico|/openapi\.json|/readyz"
    r"|/api/node|/api/videos|/(watch|assets|media|pyodide|api/videos)/.*"
)
# Don't pass these headers on: they are about one connection, or only a balancer may set them.
_NOT_FORWARDED = re.compile(
    rb"connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|content-length|expect"
    rb"|forwarded|x-forwarded-.*|cookie"
)

# As in haproxy.cfg.in. 503: no node has received the request, or all have refused it. 502 and 504:
# a node has received it, and may have carried it out.
_AGAIN = "Send the request again; a view with the same Idempotency-Key."
_ERRORS = {
    400: ("bad_request", "This is no HTTP/1.1 request."),
    404: (
        "not_found",
        "The balancer serves the pages and the video calls. Metrics, /peer and the calls of "
        "operators are not for the public: ask a node directly.",
    ),
    408: ("request_timeout", "The request didn't arrive in time; send it again."),
    413: ("too_large", f"A request has {BODY_BYTES} bytes at most, with its body."),
    502: ("bad_gateway", f"The node went away before it answered. {_AGAIN}"),
    503: ("unavailable", "No node is ready. Nothing was counted. Try again in a second."),
    504: ("gateway_timeout", f"The node did not answer in time. {_AGAIN}"),
    508: ("loop", "The balancer has itself among its nodes. Give it the addresses of the nodes."),
}


class OwnResponse(Exception):
    """Ends a request with a response of the balancer itself: an error, or 200."""

    def __init__(self, status: int) -> None:
        error, message = _ERRORS.get(status, ("", ""))
        body = {"error": error, "message": message} if error else {"status": "ok"}
        self.body = json.dumps(body).encode()
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
            *(["Retry-After: 1"] if status == 503 else []),
        ]
        self.head = "\r\n".join([*lines, "", ""]).encode()


class StandIn:
    """The balancer. `serve` runs until it is cancelled."""

    def __init__(self, nodes: Sequence[str]) -> None:
        """`nodes`: each `[NAME=]HOST:PORT`."""
        self._nodes = [Node(node) for node in nodes]
        self._turns = Turns(self._nodes)

    async def serve(self, bind: str) -> None:
        """Serve on `bind`, which is HOST:PORT. Raises `OSError` if it can't listen there."""
        host, _, port = bind.rpartition(":")
        await asyncio.gather(*(node.check() for node in self._nodes))
        server = await asyncio.start_server(self._connected, host, int(port))
        print(f"ready http://{bind} (a stand-in; the real balancer is HAProxy)", flush=True)
        try:
            await asyncio.gather(*(node.watch() for node in self._nodes))
        finally:
            server.close()

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        method = b""
        # Either side may go away at any time.
        with closing(writer), suppress(OSError):
            try:
                request, body = await _receive(reader, writer)
                method = request.method
                await self._serve(request, body, reader, writer)
            except OwnResponse as own:
                writer.write(own.head if method == b"HEAD" else own.head + own.body)
                # Read to the end first: if we close a connection with unread bytes, the kernel may
                # drop the response.
                writer.write_eof()
                async with asyncio.timeout(_LINGER_S):
                    while await reader.read(_CHUNK_BYTES):
                        pass

    async def _serve(
        self, request: h11.Request, body: bytes, reader: StreamReader, writer: StreamWriter
    ) -> None:
        """Send the request to one node after another until one responds, and pass the response on.

        The next node is tried only in four cases: no node has received the request; the node has
        refused it with 503; it asks for a page's file that the node lacks; or it is a read, which
        is safe to repeat. So a view that gets a 503 is surely not counted. Raises `OwnResponse`.
        """
        path, _, query = request.target.decode().partition("?")
        if path == "/healthz":
            raise OwnResponse(200)
        if _PASSES.fullmatch(path) is None:
            raise OwnResponse(404)
        if VIA in _header(request, b"via"):
            raise OwnResponse(508)
        is_read = request.method in (b"GET", b"HEAD")
        if is_read:
            order = self._turns.for_read(path, query)
        else:
            order = self._turns.for_view(_header(request, b"idempotency-key"))
        # 503: the node is stopping, and no check has noticed yet. 404: the node has another build's
        # files.
        elsewhere = {503, 404} if path.startswith(("/assets/", "/pyodide/")) else {503}
        forwarded = _forwarded(request, body, writer.get_extra_info("peername")[0])
        for node in order:
            try:
                from_node, to_node = await node.connect()
            except OSError:
                node.ready = False  # Until its next check, spare other requests this attempt.
                continue
            with closing(to_node):
                to_node.write(forwarded)
                # If the client goes away, this closes the connection to the node. Pass on what the
                # client sends only for a websocket. Otherwise it might be another request.
                up = asyncio.create_task(
                    _pass_on(reader, to_node, discard=not _is_websocket(request))
                )
                try:
                    status, line = await _status(from_node, again=is_read)
                    if status and (status not in elsewhere or node is order[-1]):
                        writer.write(line)
                        await asyncio.gather(_pass_on(from_node, writer), up)
                        return
                finally:
                    up.cancel()
        raise OwnResponse(503)


async def _receive(reader: StreamReader, writer: StreamWriter) -> tuple[h11.Request, bytes]:
    """A whole request. Raises `OwnResponse`."""
    client = h11.Connection(h11.SERVER)
    body, size = b"", 0
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            while size <= BODY_BYTES:
                match client.next_event():
                    case h11.Request() as request:
                        size = int(_header(request, b"content-length") or 0)
                        chunked = _header(request, b"transfer-encoding")
                        if request.method in (b"GET", b"HEAD") and (size or chunked):
                            raise OwnResponse(400)
                    case h11.Data(data=data):
                        body += data
                        size = max(size, len(body))
                    case h11.EndOfMessage():
                        return request, body
                    case h11.ConnectionClosed():
                        raise ConnectionAbortedError
                    case _:
                        if client.they_are_waiting_for_100_continue:
                            go_on = h11.InformationalResponse(status_code=100, headers=[])
                            writer.write(client.send(go_on) or b"")
                        client.receive_data(await reader.read(_CHUNK_BYTES))
    except TimeoutError:
        raise OwnResponse(408) from None
    except h11.RemoteProtocolError:
        raise OwnResponse(400) from None
    raise OwnResponse(413)


async def _status(node: StreamReader, *, again: bool) -> tuple[int, bytes]:
    """The status of a node's response, and its first line. If the node is gone, the status is 0 if
    the request may be sent to another node (`again`). Raises `OwnResponse`."""
    try:
        async with asyncio.timeout(SILENCE_TIMEOUT_S):
            return await read_status(node)
    except TimeoutError:
        raise OwnResponse(504) from None
    except OSError:
        if again:
            return 0, b""
        raise OwnResponse(502) from None


def _forwarded(request: h11.Request, body: bytes, client: str) -> bytes:
    """The request for a node: as the client sent it, with the client's address."""
    headers = [pair for pair in request.headers if not _NOT_FORWARDED.fullmatch(pair[0])]
    headers.append((b"connection", b"upgrade" if _is_websocket(request) else b"close"))
    headers.append((b"x-forwarded-for", client.encode()))
    headers.append((b"via", VIA))
    if body:
        headers.append((b"content-length", b"%d" % len(body)))
    lines = [b"%b %b HTTP/1.1" % (request.method, request.target)]
    lines += [b"%b: %b" % pair for pair in headers]
    return b"\r\n".join([*lines, b"", body])


def _is_websocket(request: h11.Request) -> bool:
    return _header(request, b"upgrade").lower() == b"websocket"


def _header(request: h11.Request, name: bytes) -> bytes:
    return b", ".join(value for key, value in request.headers if key == name)


async def _pass_on(source: StreamReader, sink: StreamWriter, *, discard: bool = False) -> None:
    """Pass on what arrives, to its end. Then close `sink`, which ends the other direction, too."""
    # Either side may go away at any time.
    with closing(sink), suppress(OSError):
        while chunk := await source.read(_CHUNK_BYTES):
            if not discard:
                sink.write(chunk)
                await sink.drain()


if __name__ == "__main__":
    try:
        asyncio.run(StandIn(sys.argv[2:]).serve(sys.argv[1]))
    except OSError as error:
        sys.exit(f"stand-in balancer: {error}")
