"""The state of the demo's nodes, for pages that request it each second: one look serves all pages.

A look checks at once whether each running node is ready, and requests the cluster's state from one
of them. A node that is stuck costs a second. There is one look at a time, and at most two in a
second, however many pages there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ratchet_server.demo.child import Child
from ratchet_server.demo.client import Client, NoAnswer
from ratchet_server.demo.links import Links

ASK_TIMEOUT_S = 1.0
FRESH_S = 0.5


class Overview:
    """The state of all nodes."""

    def __init__(self, nodes: Mapping[str, Child], links: Links, client: Client) -> None:
        self._nodes = nodes
        self._links = links
        self._client = client
        self._look: asyncio.Task[dict[str, Any]] | None = None
        self._looked = float("-inf")

    async def state(self) -> dict[str, Any]:
        """The body of `GET /state`, not older than FRESH_S."""
        now = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now - self._looked > FRESH_S):
            return await self.new_state()
        # A page that leaves must not end the look for the others.
        return await asyncio.shield(self._look)

    async def new_state(self) -> dict[str, Any]:
        """The body of `GET /state` as of now, for use after an action."""
        self._looked = asyncio.get_running_loop().time()
        self._look = asyncio.create_task(self._ask_all())
        return await asyncio.shield(self._look)

    async def who_answers(self, *, but: str = "") -> list[str]:
        """The running nodes that answer, without `but`; first those that see the others."""
        return self._in_order(await self._ready(), but)

    async def _ask_all(self) -> dict[str, Any]:
        ready = await self._ready()
        seen_from, cluster = None, None
        for name in self._in_order(ready):
            url = f"{self._nodes[name].url}/api/cluster"
            try:
                answer = await self._client.ask("GET", url, timeout_s=ASK_TIMEOUT_S)
            except NoAnswer:
                continue
            if answer.status == 200:
                seen_from, cluster = name, answer.body
                break
        nodes = [
            {
                "name": name,
                "url": node.url,
                "running": node.running,
                "ready": ready.get(name, False),
                "cut": name in self._links.cut,
            }
            for name, node in self._nodes.items()
        ]
        return {"nodes": nodes, "cluster": cluster, "seen_from": seen_from}

    async def _ready(self) -> dict[str, bool]:
        """For each node that answers, whether it is ready."""
        running = [name for name, node in self._nodes.items() if node.running]
        answers = await asyncio.gather(
            *(self._client.is_ready(self._nodes[name].url) for name in running)
        )
        return {
            name: ready for name, ready in zip(running, answers, strict=True) if ready is not None
        }

    def _in_order(self, ready: Mapping[str, bool], but: str = "") -> list[str]:
        cut = self._links.cut
        names = [name for name in ready if name != but]
        return sorted(names, key=lambda name: (name in cut, not ready[name]))
