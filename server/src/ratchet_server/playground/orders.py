"""What can be done to a node of the demo, by name: each order, when it is refused, and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Literal, get_args

from ratchet_server.http.errors import ApiError
from ratchet_server.playground.ask import Answer, NoAnswer, ask
from ratchet_server.playground.board import Board
from ratchet_server.playground.links import Links
from ratchet_server.playground.wire import PlaygroundEnd, Verb

Name = Literal["cut", "heal", "kill", "start", "drain", "leave", "retire"]
NAMES: tuple[Name, ...] = get_args(Name)

# The demo looks at its children several times a second.
PROCESS_TIMEOUT_S = 5.0
ASK_TIMEOUT_S = 5.0
# The others believe for a moment that a node is alive which has just been killed.
BELIEVED_ALIVE_S = 5.0
_LOOK_S = 0.1


class Orders:
    """Carries them out. Whatever isn't possible is an `ApiError` that says what is."""

    def __init__(
        self,
        ports: Mapping[str, int],
        links: Links,
        demo: PlaygroundEnd,
        board: Board,
        secret: str | None,
    ) -> None:
        self._ports = dict(ports)
        self._links = links
        self._demo = demo
        self._board = board
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    async def carry_out(self, order: str, node: str) -> None:
        """Returns when it is done; of a node that is told to go, when it knows."""
        if node not in self._ports:
            known = ", ".join(self._ports)
            raise ApiError(
                404, "unknown_node", f"There is no node {node!r} here; there are {known}."
            )
        match order:
            case "cut":
                self._links.cut_off(node)
            case "heal":
                self._links.heal(node)
            case "kill":
                self._must_run(node)
                await self._process("kill", node)
            case "start":
                self._must_not_run(node, "It runs already.")
                await self._process("start", node)
            case "drain" | "leave":
                self._must_run(node)
                _check(await self._tell(node, f"/api/node/{order}"))
            case "retire":
                self._must_not_run(node, "A node that runs can leave; kill it to retire it.")
                await self._retire(node)
            case _:
                raise ApiError(404, "unknown_order", f"The orders are {', '.join(NAMES)}.")

    def _must_run(self, node: str) -> None:
        if node not in self._demo.running:
            raise ApiError(409, "not_running", f"Node {node} doesn't run; start it first.")

    def _must_not_run(self, node: str, message: str) -> None:
        if node in self._demo.running:
            raise ApiError(409, "running", message)

    async def _process(self, verb: Verb, node: str) -> None:
        try:
            async with asyncio.timeout(PROCESS_TIMEOUT_S):
                await self._demo.carry_out(verb, node)
        except TimeoutError:
            message = (
                f"The demo was told to {verb} node {node} and hasn't yet; is its terminal held?"
            )
            raise ApiError(503, "demo_stuck", message) from None

    async def _retire(self, node: str) -> None:
        end = time.monotonic() + BELIEVED_ALIVE_S
        while True:
            others = await self._board.who_answers(but=node)
            if not others:
                raise ApiError(409, "nobody_runs", "Retiring needs another node; start one.")
            answer = await self._tell(others[0], "/api/cluster/retire", {"node": node})
            # So soon after its death, 409 may only mean that it is still believed to be alive.
            if answer.status != 409 or time.monotonic() > end:
                return _check(answer)
            await asyncio.sleep(_LOOK_S)

    async def _tell(
        self, node: str, path: str, words: Mapping[str, object] | None = None
    ) -> Answer:
        try:
            return await ask(
                self._ports[node],
                "POST",
                path,
                body=words or {},
                headers=self._headers,
                timeout_s=ASK_TIMEOUT_S,
            )
        except NoAnswer:
            message = f"Node {node} doesn't answer. If it has just been started, try again soon."
            raise ApiError(504, "no_answer", message) from None


def _check(answer: Answer) -> None:
    """The node's refusal becomes ours."""
    if answer.status != 200:
        said = answer.body if isinstance(answer.body, dict) else {}
        code, message = said.get("error", "refused"), said.get("message", "The node refused.")
        raise ApiError(answer.status, str(code), str(message))
