"""The demo's HTTP requests, each with a bounded time for the whole response."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

# A stopping node waits until its balancer has seen enough failed checks of /readyz. With this
# header, our requests don't count as the balancer's checks.
_NOT_THE_BALANCER = {"Via": "1.1 ratchet-demo"}
_READY_TIMEOUT_S = 1.0


class Answer(NamedTuple):
    """A response: its status, and its parsed JSON."""

    status: int
    body: Any


class NoAnswer(Exception):
    """No response came in time, or one that we can't parse."""


class Client:
    """Sends requests to nodes and to their balancer. `close` it at the end."""

    def __init__(self) -> None:
        # Keep no connection open: nodes come and go. Use no timeout of httpx: it has one for each
        # read, and a response that drips would last for ever.
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
        """Send a request and return the response. Raises `NoAnswer`."""
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._http.request(method, url, json=body, headers=headers)
            return Answer(response.status_code, response.json())
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise NoAnswer(f"{method} {url}: {error or type(error).__name__}") from None

    async def is_ready(self, url: str) -> bool | None:
        """Whether the node at `url` is ready; None if it doesn't answer."""
        try:
            answer = await self.ask(
                "GET", f"{url}/readyz", headers=_NOT_THE_BALANCER, timeout_s=_READY_TIMEOUT_S
            )
        except NoAnswer:
            return None
        return answer.status == 200

    async def close(self) -> None:
        """Close the client for good."""
        await self._http.aclose()
