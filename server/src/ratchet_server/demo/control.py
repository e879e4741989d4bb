"""The demo's control as HTTP, for the demo's own pages only.

Any web site can make a browser send requests to this machine, and this server kills processes. So
an action needs three things. Its `Origin` is one of the demo's pages: no other site can claim it.
Its content type is one that a browser sends to another origin only after a preflight, which this
server refuses to other sites. Its `Host` is this server: else a foreign name that resolves to this
machine could become an origin of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import urlsplit

from sanic import HTTPResponse, Request, Sanic
from sanic.response import BaseHTTPResponse, empty, json

from ratchet_server.demo.machine import HOST
from ratchet_server.demo.playground import Playground
from ratchet_server.http.errors import ApiError, JsonErrors

# A browser reaches the pages under these names. Its `Origin` has the one that it used.
_NAMES = (HOST, "localhost")
# The path names the action. No request needs a body.
_MAX_REQUEST_BYTES = 4096
_REQUEST_TIMEOUT_S = 5
# How long a browser remembers the response to its preflight.
_PREFLIGHT_S = 600


def application(playground: Playground, *, own: str, pages: Sequence[str]) -> Sanic[Any, Any]:
    """`own`: the URL of this server. `pages`: the URLs of the servers whose pages may use it."""
    hosts = {f"{name}:{urlsplit(own).port}" for name in _NAMES}
    origins = {f"http://{name}:{urlsplit(page).port}" for name in _NAMES for page in pages}
    app: Sanic[Any, Any] = Sanic("ratchet-demo", configure_logging=False)
    app.config.MOTD = False
    app.config.REQUEST_MAX_SIZE = _MAX_REQUEST_BYTES
    app.config.REQUEST_TIMEOUT = _REQUEST_TIMEOUT_S
    app.error_handler = JsonErrors({})

    @app.on_request
    async def only_for_our_pages(request: Request) -> None:
        if not _all_in(request, "host", hosts, needed=True):
            raise ApiError(403, "other_host", f"This server is {' or '.join(sorted(hosts))}.")
        # A request that only reads need not come from a browser.
        acts = request.method not in {"GET", "HEAD"}
        if not _all_in(request, "origin", origins, needed=acts):
            message = "Only pages of this demo may send this request. Origin has to name one."
            raise ApiError(403, "other_origin", message)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and kind != "application/json":
            message = "Content-Type must be application/json; a body isn't needed."
            raise ApiError(415, "not_json", message)

    async def share_with_our_pages(request: Request, response: BaseHTTPResponse) -> None:
        response.headers["Vary"] = "Origin"
        response.headers["Cache-Control"] = "no-store"
        if _all_in(request, "origin", origins, needed=True):
            response.headers["Access-Control-Allow-Origin"] = request.headers["origin"]

    app.register_middleware(share_with_our_pages, "response")

    @app.get("/state")
    async def state(_request: Request) -> HTTPResponse:
        return json(await playground.state())

    @app.post("/nodes/<node:str>/<action:str>")
    async def act(_request: Request, node: str, action: str) -> HTTPResponse:
        await playground.act(action, node)
        return json({"nodes": (await playground.state())["nodes"]})

    @app.options("/nodes/<_node:str>/<_action:str>")
    async def preflight(_request: Request, _node: str, _action: str) -> HTTPResponse:
        return empty(
            headers={
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": "Content-Type",
                "Access-Control-Max-Age": str(_PREFLIGHT_S),
            }
        )

    return app


def _all_in(request: Request, header: str, allowed: AbstractSet[str], *, needed: bool) -> bool:
    """Whether the header has one of these values, in each of its repetitions. A missing header is
    fine unless it is `needed`."""
    values = request.headers.getall(header, [])
    return allowed >= {*values} and (bool(values) or not needed)
