"""Promises of the real servers in `testing/`, on which tests of buses and registries build."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiormq
import httpx
import pytest
import redis.asyncio
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
)
from kazoo.client import KazooClient
from nats.aio.client import Client
from nats.errors import Error as NatsError

from testing import packages
from testing.nodes import HOST, PATIENCE_S, wait_until
from testing.packages import cache
from testing.packages.__main__ import main
from testing.packages.cache import Missing
from testing.packages.debian import Debian
from testing.servers.etcd import Etcd
from testing.servers.kafka import Kafka
from testing.servers.nats import Nats
from testing.servers.rabbitmq import RabbitMQ
from testing.servers.redis import Redis
from testing.servers.server import Server, needed
from testing.servers.shared import Shared
from testing.servers.zookeeper import ZooKeeper
from testing.transports import until

NOWHERE: Final = Debian("Nothing", "no-such", "usr/bin/no-such")


def users(file: Path) -> list[str]:
    """The processes that have this file open, on Linux. All processes of a server have its log."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # It may end in between.
        with suppress(OSError):
            if any(fd.resolve() == file for fd in (process / "fd").iterdir()):
                found.append(process.name)
    return found


async def write_nats(url: str) -> None:
    async def say(_: Exception) -> None:
        """Keep the client from printing it."""

    client = Client()
    try:
        await client.connect(url, allow_reconnect=False, error_cb=say)
        await client.publish("a")
    finally:
        # When the login fails, the client leaves its socket open.
        await client.close()


async def read_nats(_url: str) -> bool:
    return False


async def write_redis(url: str) -> None:
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.set("a", "a")


async def read_redis(url: str) -> bool:
    async with redis.asyncio.Redis.from_url(url) as client:
        return bool(await client.exists("a"))


async def write_etcd(url: str) -> None:
    await call_etcd(url, "put", {"key": "YQ==", "value": "YQ=="})


async def read_etcd(url: str) -> bool:
    return "kvs" in await call_etcd(url, "range", {"key": "YQ=="})


async def call_etcd(url: str, name: str, body: Mapping[str, str]) -> Mapping[str, Any]:
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        answer = await http.post(f"{url.replace('etcd', 'http')}/v3/kv/{name}", json=body)
        return dict(answer.raise_for_status().json())


async def write_rabbitmq(url: str) -> None:
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        await channel.queue_declare("a", durable=True)


async def read_rabbitmq(url: str) -> bool:
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        try:
            await channel.queue_declare("a", passive=True)
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False
        return True


async def write_kafka(url: str) -> None:
    brokers, _, topic = url.removeprefix("kafka://").partition("/")
    async with AIOKafkaProducer(bootstrap_servers=brokers) as producer:
        await producer.send_and_wait(topic, b"a", partition=0)


async def read_kafka(url: str) -> bool:
    brokers, _, topic = url.removeprefix("kafka://").partition("/")
    async with AIOKafkaConsumer(bootstrap_servers=brokers) as consumer:
        (end,) = (await consumer.end_offsets([TopicPartition(topic, 0)])).values()
        return bool(end)


async def write_zookeeper(url: str) -> None:
    await asyncio.to_thread(ask_zookeeper, url, lambda client: client.ensure_path("/a"))


async def read_zookeeper(url: str) -> bool:
    return bool(await asyncio.to_thread(ask_zookeeper, url, lambda client: client.exists("/a")))


def ask_zookeeper(url: str, question: Callable[[KazooClient], object]) -> object:
    client = KazooClient(url.removeprefix("zookeeper://"))
    client.start(PATIENCE_S)
    try:
        return question(client)
    finally:
        client.stop()
        client.close()


# For each kind: how to write something, how to tell whether it is there, whether a crash spares it.
DATA: Final = {
    Nats: (write_nats, read_nats, False),
    Redis: (write_redis, read_redis, False),
    Etcd: (write_etcd, read_etcd, True),
    # It writes a new queue to its disk some time after it has answered.
    RabbitMQ: (write_rabbitmq, read_rabbitmq, None),
    Kafka: (write_kafka, read_kafka, True),
    ZooKeeper: (write_zookeeper, read_zookeeper, True),
}
# For each kind that has passwords: what its client says about a wrong one.
REFUSALS: Final = {
    Nats: NatsError,
    Redis: redis.AuthenticationError,
    RabbitMQ: aiormq.exceptions.ProbableAuthenticationError,
}


# These take many seconds to start.
SLOW: Final = {RabbitMQ, Kafka, ZooKeeper}


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=[pytest.mark.wires] * (kind in SLOW)) for kind in DATA],
    ids=lambda kind: kind.__name__,
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server[Any]]:
    """A server of each kind in turn. It is up, and each test leaves it so."""
    login = {"login": ("ratchet", "right")} if request.param in REFUSALS else {}
    with Server(request.param(**login), tmp_path_factory.mktemp("server")) as server:
        asyncio.run(server.start())
        yield server
    wait_until(lambda: not users(server.log), "all processes have ended")


class TestServer:
    def test_comes_back_after_a_crash_with_what_was_on_its_disk(self, server: Server[Any]) -> None:
        async def story() -> None:
            write, read, kept = DATA[type(server.kind)]
            await write(server.url)
            assert users(server.log) or sys.platform != "linux"
            server.kill()
            assert not await server.answers()
            await until(lambda: not users(server.log), "all processes have ended")
            await server.start()
            assert await server.answers()
            assert kept is None or await read(server.url) == kept

        asyncio.run(story())

    def test_does_nothing_while_it_is_frozen(self, server: Server[Any]) -> None:
        server.freeze()
        assert not asyncio.run(server.answers())
        server.thaw()
        assert asyncio.run(server.answers())

    def test_stops_even_if_it_is_frozen_and_forgets_all_when_it_is_wiped(
        self, server: Server[Any]
    ) -> None:
        async def story() -> None:
            write, read, _ = DATA[type(server.kind)]
            await write(server.url)
            server.freeze()
            await server.stop()
            await until(lambda: not users(server.log), "all processes have ended")
            server.wipe()
            await server.start()
            assert not await read(server.url)

        asyncio.run(story())

    @pytest.mark.parametrize("server", REFUSALS, indirect=True)
    def test_hears_only_those_who_know_the_password(self, server: Server[Any]) -> None:
        async def story() -> None:
            write, _, _ = DATA[type(server.kind)]
            await write(server.url)
            for login in ("ratchet:wrong@", ""):
                with pytest.raises(REFUSALS[type(server.kind)]):
                    await write(server.url.replace("ratchet:right@", login))

        asyncio.run(story())

    def test_that_does_not_start_says_why(self, tmp_path: Path) -> None:
        async def story() -> None:
            with Server(Nats(), tmp_path) as server, socket.socket() as other:
                other.bind((HOST, int(server.url.rpartition(":")[2])))
                with pytest.raises(AssertionError, match="address already in use"):
                    await server.start()
                assert not server.pids

        asyncio.run(story())

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this")
    def test_ends_with_the_process_that_started_it(self, tmp_path: Path) -> None:
        program = (
            "import asyncio, sys; from pathlib import Path;"
            "from testing.servers.nats import Nats; from testing.servers.server import Server;"
            "asyncio.run(Server(Nats(), Path(sys.argv[1])).start()); print('up', flush=True);"
            "sys.stdin.read()"
        )
        command = [sys.executable, "-c", program, str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == b"up\n"
            assert users(tmp_path / "log")
            process.kill()
        wait_until(lambda: not users(tmp_path / "log"), "the server has ended")


class TestShared:
    def test_is_one_server_that_is_up_whatever_was_done_to_it(self, tmp_path: Path) -> None:
        async def story() -> None:
            with Shared(tmp_path) as shared:
                server = await shared.get(Redis)
                for harm in (server.kill, server.freeze):
                    harm()
                    assert await shared.get(Redis) is server
                    assert await server.answers()
                other = await shared.get(Nats)
                assert other.url != server.url
            assert not server.pids + other.pids

        asyncio.run(story())


class TestPackages:
    @pytest.mark.parametrize("ci", ["", "true"])
    @pytest.mark.parametrize("package", [NOWHERE, packages.KAFKA])
    def test_say_what_is_missing_and_in_ci_that_is_an_error(
        self,
        package: packages.Package,
        ci: str,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(packages, "SOURCES", [[package]])
        monkeypatch.setattr(cache, "HOME", tmp_path)
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("CI", ci)
        assert main() == (1 if ci else 0)
        assert f"{package.name}: MISSING" in capsys.readouterr().out
        outcome = pytest.fail.Exception if ci else pytest.skip.Exception
        with pytest.raises(outcome, match=package.name):
            needed(package)

    def test_are_whole_or_not_there(self, tmp_path: Path) -> None:
        def fill(what: str) -> None:
            with cache.new(tmp_path / "program") as folder:
                (folder / what).touch()
                if what == "half":
                    raise Missing

        with pytest.raises(Missing):
            fill("half")
        assert not [*tmp_path.iterdir()]
        fill("whole")
        assert [*tmp_path.rglob("*")] == [tmp_path / "program", tmp_path / "program/whole"]
