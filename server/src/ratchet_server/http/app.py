"""The Sanic app of a node: its limits, its error responses, and the headers of every response."""

from collections.abc import Iterable
from typing import Any, Final

from ratchet import codec
from sanic import Blueprint, Request, Sanic
from sanic.response import BaseHTTPResponse

from ratchet_server.http import headers
from ratchet_server.http.backlog import Backlog
from ratchet_server.http.errors import NODE_HEADER, JsonErrors
from ratchet_server.http.gate import Gate
from ratchet_server.http.head_router import HeadRouter
from ratchet_server.http.hosts import Hosts
from ratchet_server.http.room import Room
from ratchet_server.http.tally import Tally

App = Sanic[Any, Any]

# A request carries a name, a key and a few words. No call takes a large body.
MAX_REQUEST: Final = 64 * 1024
# Room for the cookies of other apps on this host: browsers send them along, and the node ignores
# them. Sanic allows no more.
MAX_HEAD: Final = 16 * 1024
REQUEST_TIMEOUT_S: Final = 10
RESPONSE_TIMEOUT_S: Final = 86_400
LAST_RESPONSE_S: Final = 120


def application(
    name: str,
    gate: Gate,
    room: Room,
    hosts: Hosts,
    tally: Tally,
    *,
    signed: Iterable[Blueprint],
    unsigned: Iterable[Blueprint],
) -> App:
    """The app of the node `name`.

    Each response of a `signed` blueprint names the node and, unless it has a Cache-Control of its
    own, forbids caches to store it. Responses of `unsigned` blueprints do neither.
    """
    # Sanic refuses a second app of the same name. A test may make two nodes of one name.
    app = Sanic(f"ratchet-{name}-{id(gate)}", configure_logging=False, router=HeadRouter())
    # Sanic makes the `BoundedProtocol` of each connection. The protocol finds these parts here.
    app.ctx.backlog = Backlog()
    app.ctx.room = room
    app.ctx.tally = tally
    app.config.MOTD = False
    app.config.REQUEST_MAX_SIZE = MAX_REQUEST
    app.config.REQUEST_MAX_HEADER_SIZE = MAX_HEAD
    app.config.REQUEST_TIMEOUT = REQUEST_TIMEOUT_S
    # Views wait while the node reads its data, or while the disk stalls. At Sanic's own time-out a
    # client would get 503, which promises that the view is not counted. But the keeper may still
    # count it a moment later.
    app.config.RESPONSE_TIMEOUT = RESPONSE_TIMEOUT_S
    # How long the client may take to read the last response on a connection, once the node has
    # written all of it. `bounded_protocol` ends stalled connections sooner.
    app.config.GRACEFUL_TCP_CLOSE_TIMEOUT = LAST_RESPONSE_S
    app.config.WEBSOCKET_MAX_SIZE = codec.MAX_TEXT
    defaults = {NODE_HEADER: name, "Cache-Control": "no-store", **headers.NOSNIFF}
    app.error_handler = JsonErrors(defaults, gate.close_if_stopping, tally.refused)

    if hosts.are_checked:
        # For every path, also for those where there is nothing.
        app.on_request(hosts.check)

    async def sign(request: Request, response: BaseHTTPResponse) -> None:
        gate.close_if_stopping(request)
        for header, value in defaults.items():
            response.headers.setdefault(header, value)

    for blueprint in signed:
        blueprint.middleware(sign, "response")
        app.blueprint(blueprint)
    for blueprint in unsigned:
        app.blueprint(blueprint)
    return app
