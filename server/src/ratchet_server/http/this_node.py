"""The state of this node: `/api/node` for people and programs, `/readyz`, `/healthz`."""

from ratchet.observation import Observation
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.departure import Departure
from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.life import Life
from ratchet_server.http.errors import ApiError
from ratchet_server.http.gate import Gate
from ratchet_server.peering.mesh import Mesh
from ratchet_server.peering.routes import Routes


def this_node(
    keeper: Keeper, routes: Routes, mesh: Mesh, life: Life, departure: Departure, gate: Gate
) -> Blueprint:
    """The calls. They work on a node that is still starting, too."""
    blueprint = Blueprint("node")
    replica = keeper.replica

    @blueprint.get("/api/node")
    async def state(_request: Request) -> HTTPResponse:
        seen = replica.observe()
        # The response has these fields only after the event that they describe. It always has all
        # other fields.
        rare: dict[str, object] = {}
        if superseded := replica.tenure.superseded:
            rare["superseded"] = superseded
        if reopened := keeper.notices["reopened"]:
            rare["reopened"] = reopened
        if departure.left_behind:
            rare["left_behind"] = departure.left_behind
            rare["stored"] = departure.stored
        return json(
            {
                "node": seen.node,
                "generation": seen.slot.generation if seen.slot else None,
                "ready": life.state == "serving",
                "draining": departure.stop_requested.is_set(),
                "peers": _peers(seen, routes, mesh),
                "known": seen.newest,
                "closed": seen.closed,
                "folded": seen.folded,
                "digest": seen.fingerprint,
                "cluster": seen.cluster,
            }
            | rare
        )

    @blueprint.get("/healthz")
    async def healthy(_request: Request) -> HTTPResponse:
        return json({"node": replica.me.node, "alive": True})

    @blueprint.get("/readyz")
    async def ready(request: Request) -> HTTPResponse:
        # A balancer adds Via to requests that it forwards, and not to its own checks.
        if "via" not in request.headers:
            departure.probe()
        if life.stopping:
            message = "This node is stopping; send requests to another node."
            raise ApiError(503, "draining", message)
        gate.must_be_ready()
        return json({"node": replica.me.node, "ready": True})

    return blueprint


def _peers(seen: Observation, routes: Routes, mesh: Mesh) -> list[dict[str, object]]:
    """Every connected peer, and every node that this one dials: its name, its URL, whether it is
    connected, and how many changes it lacks."""
    behind = {one.member.process: one.behind for one in seen.members}
    listed: dict[str, dict[str, object]] = {
        process: {
            "node": route.peer.node,
            "url": route.peer.url,
            "connected": True,
            "behind": behind.get(process),
        }
        for process, route in routes.by_process().items()
    }
    for dialled in mesh.dialled:
        if dialled.process in listed:
            listed[dialled.process]["url"] = dialled.url
        else:
            listed[dialled.url] = {
                "node": dialled.node,
                "url": dialled.url,
                "connected": False,
                "behind": None,
            }
    return list(listed.values())
