"""The Sanic app of a node: its limits, its error responses, and the headers of every response."""

from collections.abc import Iterable
from typing import Any, Final

from ratchet import codec
from sanic import Blueprint, Request, Sanic
from sanic.response import BaseHTTPResponse

from ratchet_server.http import headers
from ratchet_server.http.errors import NODE_HEADER, JsonErrors
from ratchet_server.http.gate import Gate
from ratchet_server.http.room import Room

App = Sanic[Any, Any]

# A request carries a name, a key and a few words. No call takes a large body.
MAX_REQUEST: Final = 64 * 1024
REQUEST_TIMEOUT_S: Final = 10
RESPONSE_TIMEOUT_S: Final = 86_400
LAST_ANSWER_S: Final = 120


def application(
    name: str,
    gate: Gate,
    room: Room,
    *,
    signed: Iterable[Blueprint],
    unsigned: Iterable[Blueprint],
) -> App:
    """The app of the node `name`. Responses of the `signed` blueprints name the node. Caches must
    not store them, unless they have their own Cache-Control."""
    # Sanic keeps a registry of its apps by name. A test may make two nodes of one name.
    app = Sanic(f"ratchet-{name}-{id(gate)}", configure_logging=False)
    # Sanic makes the protocol of each connection, which finds the room here.
    app.ctx.room = room
    app.config.MOTD = False
    app.config.REQUEST_MAX_SIZE = MAX_REQUEST
    app.config.REQUEST_TIMEOUT = REQUEST_TIMEOUT_S
    # Views wait while the node reads its data, or the disk stalls. Sanic's own time-out would
    # answer 503, which promises that the view is not counted. It may be counted a moment later.
    app.config.RESPONSE_TIMEOUT = RESPONSE_TIMEOUT_S
    # How long the last response on a connection, such as a file, may take to get through.
    # `bounded_protocol` ends stalled connections sooner.
    app.config.GRACEFUL_TCP_CLOSE_TIMEOUT = LAST_ANSWER_S
    app.config.WEBSOCKET_MAX_SIZE = codec.MAX_TEXT
    usual = {NODE_HEADER: name, "Cache-Control": "no-store", **headers.NOSNIFF}
    app.error_handler = JsonErrors(usual, gate.last_answer)

    async def sign(request: Request, response: BaseHTTPResponse) -> None:
        gate.last_answer(request)
        for header, value in usual.items():
            response.headers.setdefault(header, value)

    for blueprint in signed:
        blueprint.middleware(sign, "response")
        app.blueprint(blueprint)
    for blueprint in unsigned:
        app.blueprint(blueprint)
    return app
