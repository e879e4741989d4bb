"""The demo's HTTP requests to its nodes, each with a bounded time for the whole response."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx


class Response(NamedTuple):
    """A response's status, and its parsed JSON."""

    status: int
    body: Any


class Client:
    """Sends requests to the nodes, with the operators' secret. Call `close` at the end."""

    def __init__(self, secret: str | None = None) -> None:
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            # httpx's timeouts bound each single read. A response that drips would last for ever.
            timeout=None,
            trust_env=False,
            # Nodes come and go, so keep no connection open.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.close = self._http.aclose

    async def request(
        self, method: str, url: str, *, body: Mapping[str, object] | None = None, timeout_s: float
    ) -> Response | None:
        """The response; None if it doesn't come in time, or isn't JSON."""
        with contextlib.suppress(httpx.HTTPError, TimeoutError, ValueError, RecursionError):
            async with asyncio.timeout(timeout_s):
                response = await self._http.request(method, url, json=body)
            return Response(response.status_code, response.json())
        return None
