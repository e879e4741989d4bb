"""NATS: core subjects, without JetStream, so that the server keeps nothing.

Subjects: `ratchet.CLUSTER.all`, and `ratchet.CLUSTER.to.PROCESS` for each process.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from ratchet_server.peering.bus.failures import failures, words
from ratchet_server.peering.bus.port import LARGEST, BusError, Hear
from ratchet_server.settings.buses import BusUrl

# How many bytes may wait in the library when we hear more than we can take: then it drops messages.
_MOST_WAITING: Final = 16 * 2**20
_CLOSE_S: Final = 0.5


class Nats:
    """A NATS server or cluster."""

    def __init__(self, url: BusUrl) -> None:
        self._url = url

    @contextlib.asynccontextmanager
    async def connect(self, process: str, hear: Hear) -> AsyncIterator["_Line"]:
        """See `port.Bus`."""
        url = self._url
        client = _Secured() if url.kind.tls else Client()
        line = _Line(client, f"ratchet.{url.cluster}")

        async def receive(message: Msg) -> None:
            hear(message.data)

        async def fail(error: Exception) -> None:
            line.end(f"fails: {words(error)}")

        async def close() -> None:
            line.end("closed the connection")

        scheme = "tls" if url.kind.tls else "nats"
        try:
            with failures():
                await client.connect(
                    [f"{scheme}://{host}" for host in url.hosts],
                    user=url.user,
                    password=url.password,
                    tls=ssl.create_default_context() if url.kind.tls else None,
                    allow_reconnect=False,
                    connect_timeout=2,
                    error_cb=fail,
                    disconnected_cb=close,
                    closed_cb=close,
                )
                for to in (None, process):
                    await client.subscribe(
                        line.subject(to), cb=receive, pending_bytes_limit=_MOST_WAITING
                    )
                await client.flush()
            yield line
        finally:
            line.end("is closed by this node")
            # A frozen server takes nothing more.
            with contextlib.suppress(BusError, TimeoutError), failures():
                async with asyncio.timeout(_CLOSE_S):
                    await client.close()


class _Secured(Client):
    """A client that tells a server nothing in the clear. The library's goes on without TLS, and
    sends the password, if a server, or somebody between, does not ask for TLS."""

    def _connect_command(self) -> bytes:
        if not self._server_info.get("tls_required"):
            raise Error("the server does not ask for TLS (tls_required)")
        return super()._connect_command()


class _Line:
    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._end: asyncio.Future[BusError] = asyncio.get_running_loop().create_future()

    @property
    def largest(self) -> int:
        return min(LARGEST, self._client.max_payload)

    def subject(self, to: str | None) -> str:
        return f"{self._prefix}.all" if to is None else f"{self._prefix}.to.{to}"

    async def publish(self, to: str | None, message: bytes) -> None:
        if not self._client.is_connected:
            raise BusError("is not connected")
        with failures():
            await self._client.publish(self.subject(to), message)

    async def broken(self) -> BusError:
        return await asyncio.shield(self._end)

    def end(self, why: str) -> None:
        """The first reason counts."""
        if not self._end.done():
            self._end.set_result(BusError(why))
