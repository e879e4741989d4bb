"""What a page can do to a node of the demo: the actions, and when each is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Literal, get_args

from ratchet_server.demo.child import Child
from ratchet_server.demo.client import Answer, Client, NoAnswer
from ratchet_server.demo.links import Links
from ratchet_server.demo.overview import Overview
from ratchet_server.demo.supervisor import Supervisor
from ratchet_server.http.errors import ApiError

Name = Literal["cut", "heal", "kill", "start", "drain", "leave", "retire"]
NAMES: tuple[Name, ...] = get_args(Name)

ASK_TIMEOUT_S = 5.0
# The others believe for a moment that a node is alive which has just been killed.
BELIEVED_ALIVE_S = 5.0
_LOOK_S = 0.1


class Actions:
    """Does the actions. One that isn't possible raises an `ApiError` that says what is."""

    def __init__(
        self,
        nodes: Mapping[str, Child],
        links: Links,
        supervisor: Supervisor,
        client: Client,
        overview: Overview,
        secret: str | None,
    ) -> None:
        self._nodes = nodes
        self._links = links
        self._supervisor = supervisor
        self._client = client
        self._overview = overview
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    async def take(self, action: str, node: str) -> None:
        """Return when the action is done; with "drain" and "leave", when the node has agreed."""
        if node not in self._nodes:
            known = ", ".join(self._nodes)
            raise ApiError(
                404, "unknown_node", f"There is no node {node!r} here; there are {known}."
            )
        match action:
            case "cut":
                self._links.cut_off(node)
            case "heal":
                self._links.heal(node)
            case "kill":
                self._must_run(node)
                await self._nodes[node].kill()
            case "start":
                self._must_not_run(node, "It runs already.")
                await self._supervisor.start(self._nodes[node])
            case "drain" | "leave":
                self._must_run(node)
                _check(await self._tell(node, f"/api/node/{action}"))
            case "retire":
                self._must_not_run(node, "A node that runs can leave; kill it to retire it.")
                await self._retire(node)
            case _:
                raise ApiError(404, "unknown_order", f"The actions are {', '.join(NAMES)}.")

    def _must_run(self, node: str) -> None:
        if not self._nodes[node].running:
            raise ApiError(409, "not_running", f"Node {node} doesn't run; start it first.")

    def _must_not_run(self, node: str, message: str) -> None:
        if self._nodes[node].running:
            raise ApiError(409, "running", message)

    async def _retire(self, node: str) -> None:
        end = time.monotonic() + BELIEVED_ALIVE_S
        while True:
            others = await self._overview.who_answers(but=node)
            if not others:
                raise ApiError(409, "nobody_runs", "Retiring needs another node; start one.")
            answer = await self._tell(others[0], "/api/cluster/retire", {"node": node})
            # So soon after its death, 409 may only mean that it is still believed to be alive.
            if answer.status != 409 or time.monotonic() > end:
                return _check(answer)
            await asyncio.sleep(_LOOK_S)

    async def _tell(self, node: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        try:
            return await self._client.ask(
                "POST",
                self._nodes[node].url + path,
                body=body or {},
                headers=self._headers,
                timeout_s=ASK_TIMEOUT_S,
            )
        except NoAnswer:
            message = f"Node {node} doesn't answer. If it has just been started, try again soon."
            raise ApiError(504, "no_answer", message) from None


def _check(answer: Answer) -> None:
    """If the node has refused, refuse with the node's own error."""
    if answer.status != 200:
        body = answer.body if isinstance(answer.body, dict) else {}
        code, message = body.get("error", "refused"), body.get("message", "The node refused.")
        raise ApiError(answer.status, str(code), str(message))
