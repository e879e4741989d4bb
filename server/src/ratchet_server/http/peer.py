"""`WS /peer`: where other nodes come in."""

from sanic import Blueprint, Request, Websocket

from ratchet_server.http.errors import ApiError
from ratchet_server.http.parts import Parts
from ratchet_server.peering.mesh import NOT_YET


def peer(parts: Parts) -> Blueprint:
    """The way in for peers, past the guard."""
    blueprint = Blueprint("peer")

    @blueprint.on_request
    async def only_peers(request: Request) -> None:
        parts.guard.operator(request)
        if not parts.keeper.loaded:
            # A digest from now would tell a peer that starts, too, that this is all there is.
            message = "This node is reading its data; it will have more to tell."
            raise ApiError(NOT_YET, "loading", message, retry_after_s=1)

    async def welcome(request: Request, socket: Websocket) -> None:
        await parts.mesh.welcome(socket, request.ip)

    blueprint.add_websocket_route(welcome, "/peer")
    return blueprint
