"""Kafka: one topic, without consumer groups. What was published before a node listens is not read.

Partition 0 is for all; the others are inboxes, and several processes may share one. With a single
partition everything is for all.
"""

import asyncio
import contextlib
import logging
import ssl
import zlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError

from ratchet_server.peering.bus.ending import end
from ratchet_server.peering.bus.failures import failures, words
from ratchet_server.peering.bus.port import LARGEST, BusError, Hear
from ratchet_server.settings.buses import BusUrl, Host

_REQUEST_MS: Final = 2000
_CLOSE_S: Final = 0.4

# The library logs hundreds of lines while a broker is away. `BusError` says it once.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class Kafka:
    """A Kafka cluster."""

    def __init__(self, url: BusUrl) -> None:
        self._topic = url.path
        # Clusters that share a topic tell their messages apart by the envelope.
        self._hosts = url.hosts
        self._settings: dict[str, Any] = {
            "request_timeout_ms": _REQUEST_MS,
            "security_protocol": _protocol(url),
            "ssl_context": ssl.create_default_context() if url.kind.tls else None,
            "sasl_plain_username": url.user,
            # The library wants a password beside a user.
            "sasl_plain_password": url.password or "",
        }

    @contextlib.asynccontextmanager
    async def connect(self, process: str, hear: Hear) -> AsyncIterator["_Line"]:
        """See `port.Bus`."""
        servers = [str(host) for host in self._hosts]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=servers,
            **self._settings,
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )
        producer = AIOKafkaProducer(
            bootstrap_servers=servers, **self._settings, acks=1, linger_ms=0
        )
        reading: asyncio.Task[None] | None = None
        try:
            with failures():
                await self._start(consumer)
                await producer.start()
                partitions = await self._partitions(producer)
                line = _Line(producer, self._topic, partitions)
                mine = {TopicPartition(self._topic, line.partition(to)) for to in (None, process)}
                consumer.assign(mine)
                await consumer.seek_to_end(*mine)
            reading = asyncio.create_task(line.read(consumer, hear))
            yield line
        finally:
            if reading:
                await end(reading)
            await asyncio.gather(_stop_reading(consumer), _stop(producer))

    async def _start(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await consumer.start()
        except KafkaConnectionError:
            # It only logs why no server will do: a certificate, a login.
            for host in self._hosts:
                await self._try(host)
            raise

    async def _try(self, host: Host) -> None:
        try:
            connection = await create_conn(host.name, host.port, **self._settings)
        except KafkaConnectionError as error:
            # Kafka refuses a login without a word.
            maybe = ": is the login right?" if self._settings["sasl_plain_username"] else ""
            raise BusError(f"fails: {words(error)}{maybe}") from None
        connection.close()

    async def _partitions(self, producer: AIOKafkaProducer) -> int:
        try:
            return len(await producer.partitions_for(self._topic))
        except KafkaError:
            raise BusError(
                f"has no topic {self._topic}, or this login may not see it: create it with 17 "
                "partitions and retention.ms=60000"
            ) from None


class _Line:
    largest = LARGEST

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._end: asyncio.Future[BusError] = asyncio.get_running_loop().create_future()

    def partition(self, to: str | None) -> int:
        inboxes = self._partitions - 1
        return 0 if to is None or not inboxes else 1 + zlib.crc32(to.encode()) % inboxes

    async def publish(self, to: str | None, message: bytes) -> None:
        with failures():
            sent = await self._producer.send(self._topic, message, partition=self.partition(to))
        sent.add_done_callback(self._is_sent)

    async def broken(self) -> BusError:
        return await asyncio.shield(self._end)

    async def read(self, consumer: AIOKafkaConsumer, hear: Hear) -> None:
        """Hear messages until the consumer fails."""
        try:
            with failures():
                while True:
                    message = await consumer.getone()
                    hear(message.value or b"")
        except BusError as error:
            self._break(error)

    def _is_sent(self, sent: "asyncio.Future[Any]") -> None:
        if not sent.cancelled() and (error := sent.exception()):
            self._break(BusError(f"fails: {error}"))

    def _break(self, error: BusError) -> None:
        if not self._end.done():
            self._end.set_result(error)


async def _stop_reading(consumer: AIOKafkaConsumer) -> None:
    """Stop the consumer. If its connection broke, its own `stop` breaks off before its last step,
    at the cancellation of a task of its own."""
    await _in_time(consumer.stop())
    await _in_time(consumer._client.close())


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop the producer, also one whose start has failed.

    Its own `stop` first waits until everything is sent. On a frozen broker that is never, and if
    `stop` is cancelled meanwhile, its tasks are left. So this takes the two steps after that wait.
    """
    producer._closed = True
    await _in_time(producer.client.close())
    if producer._sender and producer._sender.sender_task:
        await end(producer._sender.sender_task)


async def _in_time(closing: Coroutine[Any, Any, None]) -> None:
    """Bound the time, and drop errors: the library may raise a cancellation that isn't ours."""
    task = asyncio.create_task(closing)
    await asyncio.wait((task,), timeout=_CLOSE_S)
    await end(task)


def _protocol(url: BusUrl) -> str:
    secure = "SSL" if url.kind.tls else "PLAINTEXT"
    return f"SASL_{secure}" if url.user else secure
