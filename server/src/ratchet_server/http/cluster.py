"""`GET /api/cluster`: the whole cluster as this one node sees it. PROTOCOL.md has its fields.

Made when asked for, from a few numbers a slot; the rows themselves are not looked at, so it may be
polled each second whatever the node holds.
"""

import time
from typing import Any, Final

from ratchet import generations
from ratchet.column import Column
from ratchet.replica import Member, Replica
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
        seen = view(replica, now, started)
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


def members(replica: Replica) -> list[Member]:
    """The members; a name that is missing only as long as no process of it is alive.

    (One that has just started has no slot yet. Until then its slot of before is still open, and
    folding has to miss it; an operator needn't.)
    """
    found = replica.members()
    alive = {member.node for member in found if member.state != "missing"}
    return [one for one in found if one.state != "missing" or one.node not in alive]


def view(replica: Replica, now: float, started: float) -> dict[str, Any]:
    """What `replica` knows of the cluster. `now` and `started` (this process) are unix times."""
    return {
        "node": replica.node,
        "process": replica.me.process,
        "slot": _text(replica.slot),
        "time": now,
        "members": [_member(replica, member, now, started) for member in members(replica)],
        "slots": [*_slots(replica, now)],
        "folded": [
            {"node": node, "generation": generation, "views": replica.lifted.get(node, 0)}
            for node, generation in sorted(replica.folded.items())
        ],
        "base": {"videos": len(replica.base), "views": _base_views(replica)},
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
                        "text": obstacle(one.kind, one.node, one.amount, replica.node),
                    }
                    for one in fold.obstacles
                ],
            }
            for fold in replica.folds()
        ],
    }


def _member(replica: Replica, member: Member, now: float, started: float) -> dict[str, Any]:
    connected = member.process is not None and member.state == "connected"
    since = {"here": started, "missing": now - member.unheard_s}
    return {
        "node": member.node,
        "process": member.process,
        "state": member.state,
        # Of this process: when it started. Of one that is missing: when it was last heard.
        "since": since.get(member.state),
        "url": member.url,
        "slot": _text(member.slot),
        "behind": replica.behind(member.process) if connected and member.process else None,
        "ahead": replica.ahead(member.process) if connected and member.process else None,
    }


def _slots(replica: Replica, now: float) -> list[dict[str, Any]]:
    closed_s = replica.closed_s()
    # A slot in which nothing was counted yet has no column here, and is open all the same.
    empty = {member.slot: Column(member.slot) for member in replica.members() if member.slot}
    slots = []
    for slot, column in sorted((empty | replica.columns).items()):
        closed = generations.covers(replica.closed, slot)
        since = now - closed_s[slot] if slot in closed_s else None
        slots.append(_slot(replica, column, "closed" if closed else "open", since))
    # What is left of them.
    slots += [_slot(replica, c, "lifting", None) for _, c in sorted(replica.lifting.items())]
    return slots


def _slot(replica: Replica, column: Column, state: str, since: float | None) -> dict[str, Any]:
    held = {}
    # Of a slot that is being lifted nobody is told any more.
    if state != "lifting":
        held[replica.node] = column.durable
        for peer in replica.peers:
            # Two processes may have one name for a while.
            node = peer.hello.node
            held[node] = max(held.get(node, 0), peer.claim(column.slot))
    return {
        "slot": str(column.slot),
        "state": state,
        "since": since,
        "videos": len(column),
        "views": column.views,
        "upto": column.upto,
        "held": held,
    }


def _base_views(replica: Replica) -> int:
    lifting = sum(column.views for column in replica.lifting.values())
    return max(0, sum(replica.lifted.values()) - lifting)


def _reached_at(request: Request) -> str | None:
    """The address under which whoever asks has just reached this node."""
    try:
        return check_url(f"{request.scheme}://{request.host}")
    except SettingError:
        return None


def _text(slot: Slot | None) -> str | None:
    return None if slot is None else str(slot)
