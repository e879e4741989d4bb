"""The Sanic app of a node: its limits, its error answers, and the headers of every answer."""

from collections.abc import Iterable
from typing import Any, Final

from ratchet import codec
from sanic import Blueprint, Request, Sanic
from sanic.response import BaseHTTPResponse

from ratchet_server.http import headers
from ratchet_server.http.errors import NODE_HEADER, JsonErrors
from ratchet_server.http.gate import Gate

App = Sanic[Any, Any]

# Requests carry a name, a key and a few words; nothing here takes a body of any size.
MAX_REQUEST: Final = 64 * 1024
REQUEST_TIMEOUT_S: Final = 10
RESPONSE_TIMEOUT_S: Final = 86_400
LAST_ANSWER_S: Final = 120


def application(
    name: str, gate: Gate, *, signed: Iterable[Blueprint], unsigned: Iterable[Blueprint]
) -> App:
    """The app of the node `name`. Answers of `signed` blueprints name the node, and forbid caches
    to keep them unless they say how long they hold."""
    # Sanic keeps a registry of its apps by name; a test may well make two of one name.
    app = Sanic(f"ratchet-{name}-{id(gate)}", configure_logging=False)
    app.config.MOTD = False
    app.config.REQUEST_MAX_SIZE = MAX_REQUEST
    app.config.REQUEST_TIMEOUT = REQUEST_TIMEOUT_S
    # Views wait while the data is read, or the disk stalls. Sanic's own time-out would answer 503,
    # which promises that the view isn't counted, and it may be, a moment later.
    app.config.RESPONSE_TIMEOUT = RESPONSE_TIMEOUT_S
    # How long a file may take to get through once the connection is to be closed;
    # `bounded_protocol` ends the stalled ones sooner.
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
