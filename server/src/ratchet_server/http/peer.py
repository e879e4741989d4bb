"""`WS /peer`: the connections that other nodes open, and an adapter from Sanic's websocket."""

from sanic import Blueprint, Request, Websocket
from sanic.exceptions import WebsocketClosed

from ratchet_server.http.errors import ApiError
from ratchet_server.http.guard import Guard
from ratchet_server.peering.dialler import NOT_YET
from ratchet_server.peering.link import VERSIONS_HEADER, Closed
from ratchet_server.peering.mesh import Mesh


def peer(mesh: Mesh, guard: Guard) -> Blueprint:
    """The call. The guard checks each peer first."""
    blueprint = Blueprint("peer")

    @blueprint.on_request
    async def only_peers(request: Request) -> None:
        guard.operator(request)
        if not mesh.is_open:
            # So far our digest would be empty. If the peer is starting, too, it would take the
            # digest for all that we have, and would serve numbers that are too small.
            message = "This node is still reading its data; connect again in a second."
            raise ApiError(NOT_YET, "loading", message, retry_after_s=1)

    async def welcome(request: Request, socket: Websocket) -> None:
        old = VERSIONS_HEADER not in request.headers
        await mesh.welcome(_Socket(socket), request.ip, old=old)

    blueprint.add_websocket_route(welcome, "/peer")
    return blueprint


class _Socket:
    """Sanic's websocket as a `Socket` of peering: it raises `Closed` when the connection ends."""

    def __init__(self, socket: Websocket) -> None:
        self._socket = socket

    async def send(self, message: str) -> None:
        try:
            await self._socket.send(message)
        except WebsocketClosed:
            raise Closed from None

    async def recv(self) -> str | bytes | None:
        try:
            return await self._socket.recv()
        except WebsocketClosed:
            raise Closed from None

    async def close(self, code: int, reason: str) -> None:
        await self._socket.close(code, reason)
