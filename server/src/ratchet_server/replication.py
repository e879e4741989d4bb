"""`WS /peer`: where other nodes come in."""

from sanic import Blueprint, Request, Websocket

from ratchet_server.parts import Parts


def peer(parts: Parts) -> Blueprint:
    """The way in for peers, past the guard."""
    blueprint = Blueprint("peer")

    @blueprint.on_request
    async def only_peers(request: Request) -> None:
        parts.guard.operator(request)

    async def welcome(_request: Request, socket: Websocket) -> None:
        await parts.mesh.welcome(socket)

    blueprint.add_websocket_route(welcome, "/peer")
    return blueprint
