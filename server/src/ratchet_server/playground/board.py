"""How the demo's nodes are, for a page that asks each second: looked at seldom, told to all.

One look asks every running node whether it is ready, all at once, and one of them for the cluster;
a node that is stuck costs a second. However many pages ask, there is one look at a time, and at
most two in a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ratchet_server.demo_place import HOST
from ratchet_server.playground.ask import NoAnswer, ask
from ratchet_server.playground.links import Links
from ratchet_server.playground.wire import PlaygroundEnd

ASK_TIMEOUT_S = 1.0
FRESH_S = 0.5
# A node that goes waits until its balancer has asked /readyz often enough to believe it. This says
# that we are none: without it, a look would count as the balancer's.
_NOT_THE_BALANCER = {"Via": "1.1 ratchet-playground"}


class Board:
    """The state of all nodes."""

    def __init__(self, ports: Mapping[str, int], links: Links, demo: PlaygroundEnd) -> None:
        """`ports`: where each node listens."""
        self._ports = dict(ports)
        self._links = links
        self._demo = demo
        self._look: asyncio.Task[dict[str, Any]] | None = None
        self._looked = float("-inf")

    async def state(self) -> dict[str, Any]:
        """What `GET /state` tells, not older than FRESH_S."""
        now = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now - self._looked > FRESH_S):
            return await self.new_state()
        # A page that leaves must not end the look for the others.
        return await asyncio.shield(self._look)

    async def new_state(self) -> dict[str, Any]:
        """The same as of now, after something was done."""
        self._looked = asyncio.get_running_loop().time()
        self._look = asyncio.create_task(self._ask_all())
        return await asyncio.shield(self._look)

    async def who_answers(self, *, but: str = "") -> list[str]:
        """The running nodes of which one may ask something, those first that see the others."""
        return self._in_order(await self._ready(), but)

    async def _ask_all(self) -> dict[str, Any]:
        ready = await self._ready()
        seen_from, cluster = None, None
        for name in self._in_order(ready):
            try:
                answer = await ask(
                    self._ports[name], "GET", "/api/cluster", timeout_s=ASK_TIMEOUT_S
                )
            except NoAnswer:
                continue
            if answer.status == 200:
                seen_from, cluster = name, answer.body
                break
        nodes = [
            {
                "name": name,
                "url": f"http://{HOST}:{port}",
                "running": name in self._demo.running,
                "ready": ready.get(name, False),
                "cut": name in self._links.cut,
            }
            for name, port in self._ports.items()
        ]
        return {"nodes": nodes, "cluster": cluster, "seen_from": seen_from}

    async def _ready(self) -> dict[str, bool]:
        """Of the nodes that answer: whether they are ready."""
        names = [name for name in self._ports if name in self._demo.running]
        answers = await asyncio.gather(*(self._is_ready(name) for name in names))
        return {
            name: ready for name, ready in zip(names, answers, strict=True) if ready is not None
        }

    async def _is_ready(self, name: str) -> bool | None:
        try:
            answer = await ask(
                self._ports[name],
                "GET",
                "/readyz",
                headers=_NOT_THE_BALANCER,
                timeout_s=ASK_TIMEOUT_S,
            )
        except NoAnswer:
            return None
        return answer.status == 200

    def _in_order(self, ready: Mapping[str, bool], but: str = "") -> list[str]:
        cut = self._links.cut
        names = [name for name in ready if name != but]
        return sorted(names, key=lambda name: (name in cut, not ready[name]))
