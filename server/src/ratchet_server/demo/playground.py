"""The demo's nodes as its pages see them, and what a page can do to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ratchet_server.demo.child import Child
from ratchet_server.demo.client import Client, Response
from ratchet_server.demo.wires import Wire
from ratchet_server.http.errors import ApiError

LOOK_TIMEOUT_S = 1.0
ACT_TIMEOUT_S = 5.0
# For a moment after a kill, the other nodes still believe that the node is alive.
BELIEVED_ALIVE_S = 5.0
_POLL_S = 0.1


class Playground:
    """The nodes, and the wire between them. An action that isn't possible raises an `ApiError`
    that says what is."""

    def __init__(
        self,
        nodes: Mapping[str, Child],
        wire: Wire,
        client: Client,
        start: Callable[[Child], Awaitable[None]],
    ) -> None:
        """`start`: how a node is started."""
        self._nodes = nodes
        self._wire = wire
        self._client = client
        self._start = start

    async def state(self) -> dict[str, Any]:
        """The body of `GET /state`. A node that is stuck costs a second."""
        reports = await self._reports()
        seen_from = next(iter(reports), None)
        nodes = [
            {
                "name": name,
                "url": node.url,
                "running": node.running,
                "ready": reports.get(name, {}).get("state") == "serving",
                # None: it can't be cut off.
                "cut": None if self._wire.why_uncut else name in self._wire.cut,
            }
            for name, node in self._nodes.items()
        ]
        cluster = reports[seen_from] if seen_from else None
        wire = {"over": self._wire.description, "why_uncut": self._wire.why_uncut}
        return {"nodes": nodes, "wire": wire, "cluster": cluster, "seen_from": seen_from}

    async def act(self, action: str, name: str) -> None:
        """Return when the action is done. For "drain" and "leave", return when the node has
        begun."""
        if name not in self._nodes:
            known = ", ".join(self._nodes)
            message = f"There is no node {name!r} here; there are {known}."
            raise ApiError(404, "unknown_node", message)
        node = self._nodes[name]
        if action in ("kill", "drain", "leave") and not node.running:
            raise ApiError(409, "not_running", f"Node {name} doesn't run; start it first.")
        match action:
            case "cut" | "heal" if self._wire.why_uncut:
                message = f"No node can be cut off here: {self._wire.why_uncut}."
                raise ApiError(409, "no_cut", message)
            case "cut":
                self._wire.cut_off(name)
            case "heal":
                self._wire.heal(name)
            case "kill":
                await node.kill()
            case "drain" | "leave":
                _check(await self._post(name, f"/api/node/{action}"))
            case "start" if node.running:
                raise ApiError(409, "running", "It runs already.")
            case "start":
                await self._start(node)
            case "retire" if node.running:
                message = "A node that runs can leave; kill it to retire it."
                raise ApiError(409, "running", message)
            case "retire":
                await self._retire(name)
            case _:
                actions = "cut, heal, kill, start, drain, leave, retire"
                raise ApiError(404, "unknown_action", f"The actions are {actions}.")

    async def _retire(self, name: str) -> None:
        end = time.monotonic() + BELIEVED_ALIVE_S
        while True:
            other = next((other for other in await self._reports() if other != name), None)
            if other is None:
                raise ApiError(409, "nobody_runs", "Retiring needs another node; start one.")
            response = await self._post(other, "/api/cluster/retire", {"node": name})
            # Soon after a kill, 409 may only mean that `other` still believes `name` to be alive.
            if response.status != 409 or time.monotonic() > end:
                return _check(response)
            await asyncio.sleep(_POLL_S)

    async def _reports(self) -> dict[str, dict[str, Any]]:
        """The report of each node that responds, by name. Nodes that see the others come first."""
        running = [name for name, node in self._nodes.items() if node.running]
        found = zip(running, await asyncio.gather(*map(self._report, running)), strict=True)
        reports = {name: report for name, report in found if report}

        def sees_little(name: str) -> tuple[bool, bool]:
            return name in self._wire.cut, reports[name]["state"] != "serving"

        return {name: reports[name] for name in sorted(reports, key=sees_little)}

    async def _report(self, name: str) -> dict[str, Any] | None:
        url = f"{self._nodes[name].url}/api/cluster"
        response = await self._client.request("GET", url, timeout_s=LOOK_TIMEOUT_S)
        return response.body if response and response.status == 200 else None

    async def _post(
        self, name: str, path: str, body: Mapping[str, object] | None = None
    ) -> Response:
        url = self._nodes[name].url + path
        response = await self._client.request("POST", url, body=body or {}, timeout_s=ACT_TIMEOUT_S)
        if response is None:
            message = f"Node {name} doesn't answer. If it has just been started, try again soon."
            raise ApiError(504, "no_answer", message)
        return response


def _check(response: Response) -> None:
    """If the node has refused the request, pass its error on. Raises `ApiError`."""
    if response.status != 200:
        raise ApiError(response.status, response.body["error"], response.body["message"])
