"""Redis, or a server that speaks its protocol: channels of its publish/subscribe.

Channels: `ratchet:CLUSTER:all`, and `ratchet:CLUSTER:to:PROCESS` for each process. Not streams:
they cost twice as much, and keep what nobody needs.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError

from ratchet_server.peering.bus.ending import end
from ratchet_server.peering.bus.failures import failures, words
from ratchet_server.peering.bus.port import LARGEST, BusError, Hear
from ratchet_server.settings.buses import BusUrl

_TIMEOUT_S: Final = 3.0
_CLOSE_S: Final = 0.5


class RedisBus:
    """One Redis server."""

    def __init__(self, url: BusUrl) -> None:
        self._url = url

    @contextlib.asynccontextmanager
    async def connect(self, process: str, hear: Hear) -> AsyncIterator["_Line"]:
        """See `port.Bus`."""
        url = self._url
        client = Redis(
            host=url.hosts[0].name,
            port=url.hosts[0].port,
            db=int(url.path),
            username=url.user,
            password=url.password,
            ssl=url.kind.tls,
            socket_connect_timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            # The library would try again, and block meanwhile.
            retry=Retry(NoBackoff(), 0),
        )
        line = _Line(client, f"ratchet:{url.cluster}")
        listening = client.pubsub(ignore_subscribe_messages=True)
        reading: asyncio.Task[None] | None = None
        try:
            with failures():
                await listening.subscribe(line.channel(None), line.channel(process))
            reading = asyncio.create_task(line.read(listening, hear))
            yield line
        finally:
            if reading:
                await end(reading)
            # A frozen server takes nothing more.
            for closing in (listening.aclose, client.aclose):
                with contextlib.suppress(BusError, TimeoutError), failures():
                    async with asyncio.timeout(_CLOSE_S):
                        await closing()


class _Line:
    largest = LARGEST

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._end: asyncio.Future[BusError] = asyncio.get_running_loop().create_future()

    def channel(self, to: str | None) -> str:
        return f"{self._prefix}:all" if to is None else f"{self._prefix}:to:{to}"

    async def publish(self, to: str | None, message: bytes) -> None:
        channel = self.channel(to)
        with failures(lambda error: _words(error, f"publish to {channel}")):
            await self._client.publish(channel, message)

    async def broken(self) -> BusError:
        return await asyncio.shield(self._end)

    async def read(self, listening: PubSub, hear: Hear) -> None:
        """Hear messages until the connection ends."""
        calls = f"subscribe to {self._prefix}:*"
        try:
            with failures(lambda error: _words(error, calls)):
                while True:
                    # Silence is no error: None after the timeout.
                    message = await listening.get_message(timeout=_TIMEOUT_S)
                    if message is not None:
                        hear(message["data"])
        except BusError as error:
            self._end.set_result(error)


def _words(error: Exception, call: str) -> str:
    """What the error says. The server's own words for a right that is missing name no channel."""
    if isinstance(error, NoPermissionError):
        return f"this login may not {call}: {error}"[:300]
    return words(error)
