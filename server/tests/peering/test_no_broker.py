"""Servers at a bus's address that are no brokers, or refuse: a node names it, and counts on."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from ratchet_server.peering.bus.kinds import bus_of
from ratchet_server.settings.buses import buses

from testing.accepting import answering
from testing.brokers import bus_at
from testing.nodes import HOST, Node, wait_until
from testing.servers.kafka import Kafka
from testing.servers.nats import Nats
from testing.servers.rabbitmq import RabbitMQ
from testing.servers.redis import Redis
from testing.servers.server import Server
from testing.servers.shared import Shared
from testing.stations import Station
from testing.transports import open_sockets, until

PASSWORD: Final = "hunter2"
SCHEMES: Final = ("nats", "redis", "amqp", "kafka")
# What a server says to whoever connects.
GREETINGS: Final = {
    "a server that closes": b"",
    "a web server": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "noise": bytes(n * 37 % 256 for n in range(4096)),
    "a list where NATS has a mapping": b"INFO []\r\n",
    "a list where Redis has a mapping": b"*3\r\n$9\r\nsubscribe\r\n:1\r\n$1\r\nx\r\n",
    "another version of AMQP": b"AMQP\x00\x00\x09\x01",
}


async def trouble_at(url: str) -> str:
    """What a station on the bus with this URL says. It must end in order, and leave nothing."""
    tasks, sockets = len(asyncio.all_tasks()), open_sockets()
    (parsed,) = buses([url])
    one = Station("a", bus_of(parsed), "test", beat_s=0.5)
    starting = one.transport.trouble
    assert starting

    def why() -> str:
        trouble = one.transport.trouble
        assert trouble
        return "" if trouble[0] == starting[0] else trouble[0]

    async with one.running():
        await until(why, "it says what is wrong")
        found = why()
    await until(lambda: len(asyncio.all_tasks()) <= tasks, "all tasks have ended")
    await until(lambda: open_sockets() <= sockets, "all sockets are closed")
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
def test_what_is_no_broker_is_named_and_the_node_goes_on(
    scheme: str, greeting: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if scheme != "nats":
                await reader.read(4)
            writer.write(greeting)
            writer.close()

        async with answering(greet) as port:
            await trouble_at(f"{scheme}://user:{PASSWORD}@{HOST}:{port}")

    asyncio.run(story())
    _assert_quiet(caplog)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Nats, "authorization violation"),
        (Redis, "invalid username-password pair"),
        pytest.param(RabbitMQ, "login was refused", marks=pytest.mark.wires),
        pytest.param(Kafka, "is the login right?", marks=pytest.mark.wires),
    ],
)
def test_a_wrong_password_is_named_and_not_shown(
    kind: type[Nats | Redis | RabbitMQ | Kafka],
    reason: str,
    servers: Shared,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def locked() -> Nats | Redis | RabbitMQ | Kafka:
        return kind() if kind is RabbitMQ else kind(login=("ratchet", "another"))

    async def story() -> str:
        scheme, _, right = (await servers.get(locked)).url.partition("://")
        return await trouble_at(f"{scheme}://ratchet:{PASSWORD}@{right.rpartition('@')[2]}")

    assert reason in asyncio.run(story()).lower()
    _assert_quiet(caplog)


NATS, REDIS = "ratchet.ratchet", "ratchet:ratchet"
EXCHANGE: Final = "access to exchange 'ratchet.ratchet' in vhost '/' refused"
QUEUE: Final = "access to queue 'amq.gen-…' in vhost '/' refused"


@pytest.mark.parametrize(
    ("kind", "rights", "reason"),
    [
        (Nats, 'publish: { deny: "ratchet.*.all" }', f'for publish to "{NATS}.all"'),
        # Else it would seem well until another node comes.
        (Nats, 'publish: { deny: "ratchet.*.to.>" }', f'for publish to "{NATS}.to.'),
        (Nats, 'subscribe: { deny: "ratchet.*.all" }', f'for subscription to "{NATS}.all"'),
        (Redis, "~* &* +@all -publish", f"may not publish to {REDIS}:all"),
        (Redis, "~* &films:* +@all", f"may not subscribe to {REDIS}:*"),
        *(
            pytest.param(RabbitMQ, rights, reason, marks=pytest.mark.wires)
            for rights, reason in (
                (("none", ".*", ".*"), EXCHANGE),
                # What its queue needs is allowed.
                ((".*", "amq.*", ".*"), EXCHANGE),
                ((".*", ".*", "ratchet.*"), QUEUE),
            )
        ),
        pytest.param(Kafka, "none", "this login may not see it", marks=pytest.mark.wires),
    ],
)
def test_a_right_that_is_missing_is_named(
    kind: Callable[..., Nats | Redis | RabbitMQ | Kafka],
    rights: object,
    reason: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> str:
        with Server(kind(login=("ratchet", PASSWORD), rights=rights), tmp_path) as server:
            await server.start()
            return await trouble_at(server.url)

    assert reason in asyncio.run(story())
    _assert_quiet(caplog)


@pytest.mark.parametrize(
    ("kind", "rights"),
    [
        (Nats, 'publish: "ratchet.>", subscribe: "ratchet.>"'),
        (Redis, "resetchannels &ratchet:* -@all +publish +subscribe"),
        pytest.param(RabbitMQ, 3 * (r"^(ratchet\..*|amq\.gen.*)$",), marks=pytest.mark.wires),
    ],
)
def test_the_rights_that_operating_names_are_enough(
    kind: Callable[..., Nats | Redis | RabbitMQ | Kafka], rights: object, tmp_path: Path
) -> None:
    async def story() -> None:
        with Server(kind(login=("ratchet", PASSWORD), rights=rights), tmp_path) as server:
            await server.start()
            a, b = (Station(name, bus_at(server.url, "test"), "test", beat_s=0.5) for name in "ab")
            async with a.running(), b.running():
                await until(lambda: a.present and b.present, "they hear each other")
                a.say(1, b)
                await until(lambda: b.numbers() == [1], "b hears a")

    asyncio.run(story())


def test_a_node_whose_login_lacks_a_right_reports_it_and_counts(tmp_path: Path) -> None:
    rights = 'publish: { deny: "ratchet.>" }'
    with Server(Nats(login=("ratchet", PASSWORD), rights=rights), tmp_path / "nats") as server:
        asyncio.run(server.start())
        reason = f'violation for publish to "{NATS}'
        with Node("a", tmp_path, environ={"RATCHET_BUS": server.url}) as node:
            node.start()
            assert node.view("tide") == 1
            report = ""

            def reports() -> bool:
                nonlocal report
                report = "".join(node.get("/api/cluster").json()["advice"])
                return reason in report

            wait_until(reports, "it says what is refused")
            assert node.view("tide") == 2
            assert reason in node.log
            assert PASSWORD not in report + node.log


def _assert_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A line says it once, and has no password."""
    assert PASSWORD not in caplog.text
    loud = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert loud
    assert len(loud) <= 2, caplog.text
