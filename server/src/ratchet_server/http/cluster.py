"""`GET /api/cluster`: the whole cluster as this one node sees it. PROTOCOL.md has its fields.

The node makes the report for each request, from a few numbers per slot. It reads no rows, so
clients may poll the report each second, however many videos the node counts.
"""

import time
from collections.abc import Sequence
from typing import Final

from ratchet.replica import Replica
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.life import Life
from ratchet_server.http.room import Room
from ratchet_server.operator.advice import EARLY_S
from ratchet_server.operator.facts import Deaf, Facts, Registry, Stranger, Way
from ratchet_server.operator.report import report
from ratchet_server.peering.mesh import Mesh
from ratchet_server.peering.registry.finder import Finder
from ratchet_server.peering.routes import Routes
from ratchet_server.peering.sightings import Sightings
from ratchet_server.settings import SettingError, check_url

# A registry that fails for a shorter time heals by itself: it has just chosen another leader, say.
TROUBLE_S: Final = 5.0


def cluster(
    replica: Replica,
    mesh: Mesh,
    routes: Routes,
    sightings: Sightings,
    life: Life,
    room: Room,
    *,
    given: bool = False,
    registries: Sequence[Finder] = (),
) -> Blueprint:
    """The call. It needs no secret, and works on a node that is still starting, too. `given`:
    whether the node was given addresses or a bus. `registries`: where it looks for others, too."""
    blueprint = Blueprint("cluster")
    started = time.time()

    @blueprint.get("/api/cluster")
    async def state(request: Request) -> HTTPResponse:
        now = time.time()
        early = now - started < EARLY_S
        strangers = sightings.strangers()
        strange = {one.url for one in strangers}
        unmet = [
            one
            for one in mesh.unanswered
            if one.node not in replica.table.newest and not one.refused and one.url not in strange
        ]
        facts = Facts(
            state=life.state,
            now=now,
            started=started,
            dialled={one.node: one.hello_url or one.url for one in mesh.dialled if one.node},
            unreached=() if early else tuple(one.url for one in unmet if not one.unready),
            unready=() if early else tuple(one.url for one in unmet if one.unready),
            awaited=len(unmet) if early else 0,
            refusing={one.url: one.refused for one in mesh.dialled if one.refused},
            strangers=tuple(Stranger(one.node, one.url, one.cluster) for one in strangers),
            misunderstood=sightings.misunderstood(),
            ways={
                process: tuple(Way(way.name, round(way.silent_s, 1)) for way in ways)
                for process, ways in routes.ways().items()
            },
            deaf=tuple(
                Deaf(bus.name, bus.trouble, bus.trouble_s)
                for bus in sightings.buses()
                if bus.trouble and bus.trouble_s >= TROUBLE_S
            ),
            registries=tuple(_registry(one, now) for one in registries),
            given=given,
            full=room.full,
            via=_url_in(request) or replica.me.url,
        )
        seen = report(replica.observe(), facts)
        return json(seen.json(), headers={"Cache-Control": "no-store"})

    return blueprint


def _registry(finder: Finder, now: float) -> Registry:
    trouble = finder.trouble
    if trouble is None or now - trouble.since < TROUBLE_S:
        return Registry(finder.name, finder.others)
    return Registry(finder.name, finder.others, trouble.why, trouble.since)


def _url_in(request: Request) -> str | None:
    """The URL at which the client has reached this node; None if the request has no valid one."""
    try:
        return check_url(f"{request.scheme}://{request.host}")
    except SettingError:
        return None
