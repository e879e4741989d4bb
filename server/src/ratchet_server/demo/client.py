"""The demo's HTTP requests, each answered within a bounded time or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

# A node that goes waits until its balancer has asked /readyz often enough to believe it. This says
# that we are none: without it, our requests would count as the balancer's.
_NOT_THE_BALANCER = {"Via": "1.1 ratchet-demo"}
_READY_TIMEOUT_S = 1.0


class Answer(NamedTuple):
    """A response: the status, and what its JSON means."""

    status: int
    body: Any


class NoAnswer(Exception):
    """There was no response in time, or none that can be understood."""


class Client:
    """Sends requests to nodes and to their balancer; `close` it."""

    def __init__(self) -> None:
        # No connection is kept: nodes come and go. No timeout: httpx has one for each read, and a
        # response that drips would last for ever.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(timeout=None, trust_env=False, limits=limits)

    async def ask(
        self,
        method: str,
        url: str,
        *,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> Answer:
        """Raises `NoAnswer`."""
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._http.request(method, url, json=body, headers=headers)
            return Answer(response.status_code, response.json())
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise NoAnswer(f"{method} {url}: {error or type(error).__name__}") from None

    async def is_ready(self, url: str) -> bool | None:
        """Whether a node says there that it is ready; None if there is no answer."""
        try:
            answer = await self.ask(
                "GET", f"{url}/readyz", headers=_NOT_THE_BALANCER, timeout_s=_READY_TIMEOUT_S
            )
        except NoAnswer:
            return None
        return answer.status == 200

    async def close(self) -> None:
        """For good."""
        await self._http.aclose()
