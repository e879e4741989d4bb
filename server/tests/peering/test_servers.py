"""Promises of the real servers in `testing/`, on which tests of buses and registries build."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import redis.asyncio
from nats.aio.client import Client
from nats.errors import Error as NatsError

from testing import packages
from testing.nodes import HOST, PATIENCE_S, wait_until
from testing.servers.etcd import Etcd
from testing.servers.nats import Nats
from testing.servers.redis import Redis
from testing.servers.server import Server, needed
from testing.servers.shared import Shared

KINDS: Final = (Nats, Redis, Etcd)
NOTHING: Final = packages.Debian("Nothing", "no-such", "usr/bin/no-such", "what nobody has")


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server[Any]]:
    """A server of each kind in turn. It is up, and each test leaves it so."""
    with Server(request.param(), tmp_path_factory.mktemp("server")) as server:
        asyncio.run(server.start())
        yield server
    wait_until(lambda: not users(server.log), "all processes have ended")


def users(file: Path) -> list[str]:
    """The processes that have this file open, on Linux. All processes of a server have its log."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # It may end in between.
        with suppress(OSError):
            if any(fd.resolve() == file for fd in (process / "fd").iterdir()):
                found.append(process.name)
    return found


async def write_etcd(server: Server[Etcd]) -> None:
    await call(server, "put", {"key": "YQ==", "value": "YQ=="})


async def read_etcd(server: Server[Etcd]) -> bool:
    return "kvs" in await call(server, "range", {"key": "YQ=="})


async def call(server: Server[Etcd], name: str, body: Mapping[str, str]) -> Mapping[str, Any]:
    """etcd's JSON gateway."""
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        url = server.url.replace("etcd", "http")
        answer = await http.post(f"{url}/v3/kv/{name}", json=body)
        return dict(answer.raise_for_status().json())


# How to write into each kind that keeps data on the disk, and how to tell that it is there.
KEEPERS: Final = {Etcd: (write_etcd, read_etcd)}


class TestServer:
    def test_comes_back_after_a_crash(self, server: Server[Any]) -> None:
        assert users(server.log) or sys.platform != "linux"
        server.kill()
        wait_until(lambda: not users(server.log), "all processes have ended")
        assert not asyncio.run(server.answers())
        asyncio.run(server.start())
        assert asyncio.run(server.answers())

    def test_comes_back_after_a_stop(self, server: Server[Any]) -> None:
        asyncio.run(server.stop())
        wait_until(lambda: not users(server.log), "all processes have ended")
        asyncio.run(server.start())

    def test_does_nothing_while_it_is_frozen(self, server: Server[Any]) -> None:
        server.freeze()
        assert not asyncio.run(server.answers())
        server.thaw()
        assert asyncio.run(server.answers())

    def test_stops_though_it_is_frozen(self, server: Server[Any]) -> None:
        server.freeze()
        asyncio.run(server.stop())
        asyncio.run(server.start())

    @pytest.mark.parametrize("server", KEEPERS, indirect=True)
    def test_keeps_its_data_until_it_is_wiped(self, server: Server[Any]) -> None:
        async def story() -> None:
            write, read = KEEPERS[type(server.kind)]
            await write(server)
            server.kill()
            await server.start()
            assert await read(server)
            await server.stop()
            server.wipe()
            await server.start()
            assert not await read(server)

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


async def try_nats(url: str) -> None:
    async def say(_: Exception) -> None:
        """Keep the client from printing it."""

    client = Client()
    try:
        await client.connect(url, allow_reconnect=False, error_cb=say)
    finally:
        # When the login fails, the client leaves its socket open.
        await client.close()


async def try_redis(url: str) -> None:
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.ping()


class TestLogin:
    @pytest.mark.parametrize(
        ("kind", "connect", "refusal"),
        [
            (Nats, try_nats, NatsError),
            (Redis, try_redis, redis.AuthenticationError),
        ],
    )
    def test_only_who_knows_the_password_gets_in(
        self,
        kind: type[Nats] | type[Redis],
        connect: Callable[[str], Awaitable[None]],
        refusal: type[Exception],
        tmp_path: Path,
    ) -> None:
        async def story() -> None:
            with Server(kind(login=("ratchet", "right")), tmp_path) as server:
                await server.start()
                assert ":right@" in server.url
                await connect(server.url)
                with pytest.raises(refusal):
                    await connect(server.url.replace("right", "wrong"))
                with pytest.raises(refusal):
                    await connect(server.url.replace("ratchet:right@", ""))

        asyncio.run(story())


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
    def test_say_what_is_not_tested_and_in_ci_that_is_an_error(
        self,
        ci: str,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(packages, "ALL", (NOTHING,))
        monkeypatch.setattr(packages, "_HOME", tmp_path)
        monkeypatch.setattr(packages, "_UNPACKED", tmp_path / "unpacked")
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("CI", ci)
        assert packages.main() == (1 if ci else 0)
        assert "NOT TESTED: what nobody has" in capsys.readouterr().out
        assert not os.listdir(tmp_path / "unpacked")  # noqa: PTH208
        with pytest.raises(pytest.fail.Exception if ci else pytest.skip.Exception, match="Nothing"):
            needed(NOTHING)
