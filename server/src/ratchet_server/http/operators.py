"""The calls of operators: drain and leave for this node, retire and join for the whole cluster."""

from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.departure import Departure
from ratchet_server.counting.keeper import Keeper
from ratchet_server.http import joining, retirement
from ratchet_server.http.guard import Guard


def operators(name: str, keeper: Keeper, departure: Departure, guard: Guard) -> Blueprint:
    """The calls. `name`: this node's name."""
    blueprint = Blueprint("operators")

    @blueprint.on_request
    async def only_operators(request: Request) -> None:
        guard.operator(request)

    @blueprint.post("/api/node/drain")
    async def drain(_request: Request) -> HTTPResponse:
        departure.request_stop()
        return json({"node": name, "draining": True})

    @blueprint.post("/api/node/leave")
    async def leave(_request: Request) -> HTTPResponse:
        departure.request_stop(leave=True)
        return json({"node": name, "leaving": True})

    @blueprint.post("/api/cluster/retire")
    async def retire(request: Request) -> HTTPResponse:
        return json(await retirement.retire(keeper, request.body))

    @blueprint.post("/api/cluster/join")
    async def join(request: Request) -> HTTPResponse:
        return json(await joining.join(keeper, request.body))

    return blueprint
