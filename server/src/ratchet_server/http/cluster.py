"""`GET /api/cluster`: the whole cluster as this one node sees it. PROTOCOL.md has its fields.

Made when asked for, from a few numbers a slot; the rows themselves are not looked at, so it may be
polled each second whatever the node holds.
"""

import time
from typing import Final

from ratchet.replica import Replica
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.life import Life
from ratchet_server.http.room import Room
from ratchet_server.operator.facts import Facts
from ratchet_server.operator.report import report
from ratchet_server.peering.mesh import Mesh
from ratchet_server.settings import SettingError, check_url

# Nodes that are started together need not find each other at once.
UNREACHED_S: Final = 10.0


def cluster(replica: Replica, mesh: Mesh, life: Life, room: Room) -> Blueprint:
    """The call. It needs no secret, and no readiness: a node that starts is looked at, too."""
    blueprint = Blueprint("cluster")
    started = time.time()

    @blueprint.get("/api/cluster")
    async def state(request: Request) -> HTTPResponse:
        now = time.time()
        early = now - started < UNREACHED_S
        unmet = [one for one in mesh.dialled if one.node is None and not one.refused]
        facts = Facts(
            state=life.state,
            now=now,
            started=started,
            dialled={one.node: one.said_url or one.url for one in mesh.dialled if one.node},
            unreached=() if early else tuple(one.url for one in unmet if one.tried),
            awaited=len(unmet) if early else 0,
            refusing={one.url: one.refused for one in mesh.dialled if one.refused},
            full=room.full,
            via=_reached_at(request) or replica.me.url,
        )
        seen = report(replica.observe(), facts)
        return json(seen.json(), headers={"Cache-Control": "no-store"})

    return blueprint


def _reached_at(request: Request) -> str | None:
    """The address under which whoever asks has just reached this node."""
    try:
        return check_url(f"{request.scheme}://{request.host}")
    except SettingError:
        return None
