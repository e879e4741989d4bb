"""`GET /api/cluster`: the whole cluster as this one node sees it. PROTOCOL.md has its fields.

Made when asked for, from a few numbers a slot; the rows themselves are not looked at, so it may be
polled each second whatever the node holds.
"""

import time
from typing import Any, Final

from ratchet.observation import Observation, ObservedMember, ObservedSlot
from ratchet.replica import Replica
from ratchet.slot import Slot
from sanic import Blueprint, HTTPResponse, Request
from sanic.response import json

from ratchet_server.counting.life import Life
from ratchet_server.operator.advice import advice, obstacle
from ratchet_server.peering.mesh import Mesh
from ratchet_server.settings import SettingError, check_url

# Nodes that are started together need not find each other at once.
UNREACHED_S: Final = 10.0


def cluster(replica: Replica, mesh: Mesh, life: Life) -> Blueprint:
    """The call. It needs no secret, and no readiness: a node that starts is looked at, too."""
    blueprint = Blueprint("cluster")
    started = time.time()

    @blueprint.get("/api/cluster")
    async def state(request: Request) -> HTTPResponse:
        now = time.time()
        seen = view(replica.observe(), now, started)
        seen["state"] = life.state
        # A missing node sends no URL; use the last one that we dialled.
        dialled = {one.node: one.said_url or one.url for one in mesh.dialled}
        for member in seen["members"]:
            member["url"] = member["url"] or dialled.get(member["node"])
        seen["unreached"] = [
            one.url
            for one in mesh.dialled
            if one.node is None and one.tried and now - started > UNREACHED_S
        ]
        seen["advice"] = advice(seen, _reached_at(request) or replica.me.url)
        return json(seen, headers={"Cache-Control": "no-store"})

    return blueprint


def view(seen: Observation, now: float, started: float) -> dict[str, Any]:
    """What `seen` says of the cluster. `now` and `started` (this process) are unix times."""
    return {
        "node": seen.node,
        "process": seen.process,
        "slot": _text(seen.slot),
        "time": now,
        "members": [_member(member, now, started) for member in seen.members],
        "slots": [_slot(slot, now) for slot in seen.slots],
        "folded": [
            {"node": node, "generation": generation, "views": seen.lifted_views.get(node, 0)}
            for node, generation in sorted(seen.folded.items())
        ],
        "base": {"videos": seen.base_videos, "views": seen.base_views},
        "folds": [
            {
                "node": fold.node,
                "generation": fold.generation,
                "slots": len(fold.slots),
                "obstacles": [
                    {
                        "kind": one.kind,
                        "node": one.node,
                        "amount": one.amount,
                        "text": obstacle(one.kind, one.node, one.amount, seen.node),
                    }
                    for one in fold.obstacles
                ],
            }
            for fold in seen.folds
        ],
    }


def _member(observed: ObservedMember, now: float, started: float) -> dict[str, Any]:
    member = observed.member
    since = {"here": started, "missing": now - member.unheard_s}
    return {
        "node": member.node,
        "process": member.process,
        "state": member.state,
        # When this process started; when a missing one was last heard.
        "since": since.get(member.state),
        "url": member.url,
        "slot": _text(member.slot),
        "behind": observed.behind,
        "ahead": observed.ahead,
    }


def _slot(seen: ObservedSlot, now: float) -> dict[str, Any]:
    return {
        "slot": str(seen.slot),
        "state": seen.state,
        "since": None if seen.closed_s is None else now - seen.closed_s,
        "videos": seen.videos,
        "views": seen.views,
        "upto": seen.complete,
        "held": dict(seen.held),
    }


def _reached_at(request: Request) -> str | None:
    """The address under which whoever asks has just reached this node."""
    try:
        return check_url(f"{request.scheme}://{request.host}")
    except SettingError:
        return None


def _text(slot: Slot | None) -> str | None:
    return None if slot is None else str(slot)
