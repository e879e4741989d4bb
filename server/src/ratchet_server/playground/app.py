"""The demo's control as HTTP, for the demo's own pages and for nobody else.

Any web site can make a browser send requests to this machine, and this server kills processes. So
an order needs the `Origin` of one of the demo's pages, which no other site can claim; a content
type that a browser sends to another origin only after asking, and it is told no; and the `Host` of
this server, so that no foreign name that resolves to this machine becomes an origin of its own.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import BaseHTTPResponse, empty, json

from ratchet_server.http.errors import ApiError, JsonErrors
from ratchet_server.playground.board import Board
from ratchet_server.playground.orders import Orders

# An order is its address; a body says nothing more.
_MAX_REQUEST_BYTES = 4096
_REQUEST_TIMEOUT_S = 5
# How long a browser remembers that it may ask.
_PREFLIGHT_S = 600


def application(
    board: Board, orders: Orders, *, hosts: AbstractSet[str], origins: AbstractSet[str]
) -> Sanic[Any, Any]:
    """`hosts`: what this server is called; `origins`: of the pages that it serves."""
    app: Sanic[Any, Any] = Sanic("ratchet-playground", configure_logging=False)
    app.config.REQUEST_MAX_SIZE = _MAX_REQUEST_BYTES
    app.config.REQUEST_TIMEOUT = _REQUEST_TIMEOUT_S
    app.error_handler = JsonErrors({})

    @app.on_request
    async def only_for_our_pages(request: Request) -> None:
        if not _all_in(request, "host", hosts, needed=True):
            raise ApiError(403, "other_host", f"This server is {' or '.join(sorted(hosts))}.")
        # Who only looks may be no browser.
        orders_something = request.method not in {"GET", "HEAD"}
        if not _all_in(request, "origin", origins, needed=orders_something):
            message = "Only a page of this demo may ask this, and says so in Origin."
            raise ApiError(403, "other_origin", message)
        if request.method == "POST" and _content_type(request) != "application/json":
            message = "Content-Type must be application/json; a body isn't needed."
            raise ApiError(415, "not_json", message)

    async def share_with_our_pages(request: Request, response: BaseHTTPResponse) -> None:
        response.headers["Vary"] = "Origin"
        response.headers["Cache-Control"] = "no-store"
        if _all_in(request, "origin", origins, needed=True):
            response.headers["Access-Control-Allow-Origin"] = request.headers["origin"]

    app.register_middleware(share_with_our_pages, "response")

    @app.get("/readyz")
    async def ready(_request: Request) -> HTTPResponse:
        return json({"ready": True})

    @app.get("/state")
    async def state(_request: Request) -> HTTPResponse:
        return json(await board.state())

    @app.post("/nodes/<node:str>/<order:str>")
    async def carry_out(_request: Request, node: str, order: str) -> HTTPResponse:
        await orders.carry_out(order, node)
        return json({"nodes": (await board.new_state())["nodes"]})

    @app.options("/nodes/<_node:str>/<_order:str>")
    async def may_i(_request: Request, _node: str, _order: str) -> HTTPResponse:
        return empty(
            headers={
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": "Content-Type",
                "Access-Control-Max-Age": str(_PREFLIGHT_S),
            }
        )

    return app


def _all_in(request: Request, header: str, allowed: AbstractSet[str], *, needed: bool) -> bool:
    """Whether the header says one of these, and, if it is said twice, nothing else."""
    said = request.headers.getall(header, [])
    return allowed >= {*said} and (bool(said) or not needed)


def _content_type(request: Request) -> str:
    said: str = request.headers.get("content-type", "")
    return said.partition(";")[0].strip().lower()
