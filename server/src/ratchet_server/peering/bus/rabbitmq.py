"""RabbitMQ: a direct exchange, and a queue for each process that goes with its connection.

Exchange: `ratchet.CLUSTER`. The broker keeps a message for five seconds at most. When the broker is
short of memory it takes no messages, and blocks the whole connection. So publishing has a
connection of its own.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Collection
from typing import Any, Final

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import (
    ChannelClosed,
    ConnectionClosed,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from yarl import URL

from ratchet_server.peering.bus.failures import failures
from ratchet_server.peering.bus.port import LARGEST, BusError, Hear
from ratchet_server.settings.buses import BusUrl

_ALL: Final = "all"
# What the broker does with messages that nobody fetches.
_QUEUE: Final[dict[str, Any]] = {
    "x-message-ttl": 5000,
    "x-max-length-bytes": 16 * 2**20,
    "x-overflow": "drop-head",
}
# These have the broker's own words.
_SAID: Final = (ChannelClosed, ConnectionClosed, ProbableAuthenticationError)
# The broker's names are random: with them, each attempt would fail in other words.
_QUEUE_NAME: Final = re.compile(r"amq\.gen-[\w-]+")
_HEARTBEAT_S: Final = 5
_CLOSE_S: Final = 0.4

# The library logs, with tracebacks, what `BusError` says once.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)


class RabbitMQ:
    """A RabbitMQ broker."""

    def __init__(self, url: BusUrl) -> None:
        self._url = URL.build(
            scheme="amqps" if url.kind.tls else "amqp",
            user=url.user or "guest",
            password=url.password or "guest",
            host=url.hosts[0].name,
            port=url.hosts[0].port,
            # A virtual host's name may begin with a slash, and has one before it here.
            path="/" + (url.path if url.path != "/" else ""),
            query={"heartbeat": str(_HEARTBEAT_S)},
        )
        self._exchange = f"ratchet.{url.cluster}"

    @contextlib.asynccontextmanager
    async def connect(self, process: str, hear: Hear) -> AsyncIterator["_Line"]:
        """See `port.Bus`."""

        async def receive(message: DeliveredMessage) -> None:
            hear(message.body)

        reading, publishing = aiormq.Connection(self._url), aiormq.Connection(self._url)
        try:
            with failures(_words):
                await reading.connect()
                await publishing.connect()
                out = await publishing.channel(publisher_confirms=False)
                channel = await reading.channel(publisher_confirms=False)
                await channel.exchange_declare(self._exchange, exchange_type="direct")
                queue = await channel.queue_declare(exclusive=True, arguments=_QUEUE)
                name = queue.queue or ""
                for key in (_ALL, process):
                    await channel.queue_bind(name, self._exchange, key)
                await channel.basic_consume(name, receive, no_ack=True)
            # A channel ends alone when the broker refuses what is done on it.
            yield _Line(out, self._exchange, (out, channel, reading, publishing))
        finally:
            # A frozen broker answers nothing more.
            await asyncio.gather(*(_close(each) for each in (reading, publishing)))


class _Line:
    largest = LARGEST

    def __init__(
        self,
        channel: AbstractChannel,
        exchange: str,
        needed: Collection[AbstractChannel | AbstractConnection],
    ) -> None:
        self._channel = channel
        self._exchange = exchange
        self._needed = needed

    async def publish(self, to: str | None, message: bytes) -> None:
        with failures(_words):
            await self._channel.basic_publish(
                message, exchange=self._exchange, routing_key=to or _ALL
            )

    async def broken(self) -> BusError:
        ends = [each.closing for each in self._needed]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        try:
            with failures(_words):
                done.pop().result()
        except BusError as error:
            return error
        return BusError("closed the connection")


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(BusError, TimeoutError), failures():
        async with asyncio.timeout(_CLOSE_S):
            await connection.close()


def _words(error: Exception) -> str:
    if isinstance(error, InvalidFrameError) and "Connection.Close" in str(error):
        # The library drops what the broker has said.
        return "there is no such virtual host, or this login has no rights in it"
    if isinstance(error, _SAID):
        said = _QUEUE_NAME.sub("amq.gen-…", str(error.args[-1]))
        return f"{type(error).__name__}: {said}"[:200]
    # The library's other messages have the URL in them, with the password.
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__
