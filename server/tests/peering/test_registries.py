"""Promises of every registry, on its real server: what happens when the server does not answer, or
answers wrongly."""

import asyncio
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
from kazoo.client import KazooClient
from ratchet.frames import Hello
from ratchet_server.peering.addresses import Addresses
from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry.finder import WITHDRAW_S, Finder
from ratchet_server.peering.registry.known import registry
from ratchet_server.peering.registry.port import CALL_S, RegistryError
from ratchet_server.settings.registries import registry_urls

from testing import processes
from testing.nodes import HOST, PATIENCE_S, free_port
from testing.packages import consul
from testing.registries import ME, OnServer
from testing.servers.consul import ConsulStandIn, RealConsul
from testing.servers.etcd import Etcd
from testing.servers.server import Server
from testing.servers.shared import Shared
from testing.servers.zookeeper import ZooKeeper
from testing.transports import open_sockets, until

B = Hello("b", "b" * 16, "http://10.0.0.2:1")
TWIN = Hello("b", "c" * 16, "http://10.0.0.3:1")
LEASE_S: Final = 3.0
# Longer than a lease lasts, and so long that all calls of a frozen server have failed.
FROZEN_S: Final = 8.0


async def spoil_etcd(server: Server[Any], name: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        for key, value in [(f"{name}/x", b"nonsense"), (f"{name}/{'d' * 16}", b"\xff\x00")]:
            body = {"key": b64encode(key.encode()).decode(), "value": b64encode(value).decode()}
            url = server.url.replace("etcd", "http")
            (await http.post(f"{url}/v3/kv/put", json=body)).raise_for_status()


async def spoil_consul(server: Server[Any], name: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        for service in ({"Name": name}, {"Name": name, "ID": "x", "Meta": {"url": "nonsense"}}):
            url = server.url.replace("consul", "http")
            answer = await http.put(f"{url}/v1/agent/service/register", json=service)
            answer.raise_for_status()


async def spoil_zookeeper(server: Server[Any], name: str) -> None:
    def write() -> None:
        client = KazooClient(server.url.removeprefix("zookeeper://"))
        client.start(timeout=PATIENCE_S)
        try:
            client.create(f"/{name}/x", b"nonsense", makepath=True)
            client.create(f"/{name}/{'d' * 16}", b"\xff\x00")
        finally:
            client.stop()
            client.close()

    await asyncio.to_thread(write)


class Kind(NamedTuple):
    """A kind of registry."""

    server: Callable[[], Any]
    scheme: str
    # Writes what is no address among the addresses.
    spoil: Callable[[Server[Any], str], Awaitable[None]]


KINDS: Final = {
    "etcd": Kind(Etcd, "etcd", spoil_etcd),
    "consul": Kind(ConsulStandIn, "consul", spoil_consul),
    "zookeeper": Kind(ZooKeeper, "zookeeper", spoil_zookeeper),
}
if consul.find():
    KINDS["real consul"] = Kind(RealConsul, "consul", spoil_consul)
# On the others, these tests take minutes: `make wires`.
QUICK: Final = ("etcd", "consul")
every = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.wires] * (name not in QUICK), id=name)
        for name, kind in KINDS.items()
    ],
)

Story = Callable[[OnServer, Finder], Awaitable[None]]


def run(servers: Shared, kind: Kind, story: Story, *, lease_s: float = LEASE_S) -> None:
    """Run a story with the nodes a and b in a registry."""

    async def whole() -> None:
        before = open_sockets()
        async with AsyncExitStack() as stack:
            world = OnServer(servers, kind.server, lease_s=lease_s)
            stack.push_async_callback(world.end)
            await world.start(B)
            assert isinstance(world.discovery, Finder)
            await story(world, world.discovery)
        await until(lambda: open_sockets() <= before, "all sockets are closed")

    asyncio.run(whole())


def names(finder: Finder) -> list[str]:
    return sorted(f"{one.node} {one.process}" for one in finder.seen())


@every
class TestEveryRegistry:
    def test_forgets_a_killed_process_when_its_lease_ends(
        self, servers: Shared, kind: Kind, tmp_path: Path
    ) -> None:
        async def story(world: OnServer, finder: Finder) -> None:
            command = [sys.executable, "-m", "testing.announcer", world.url, str(LEASE_S)]
            killed = processes.start(
                [*command, *("c", "f" * 16, "http://10.0.0.3:1")], tmp_path / "log"
            )
            try:
                await until(lambda: len(finder.seen()) == 3, "c is announced")
            finally:
                processes.end(killed)
            await until(lambda: len(finder.seen()) == 2, "only a and b renew their leases")

        run(servers, kind, story)

    def test_holds_both_processes_of_a_name(self, servers: Shared, kind: Kind) -> None:
        async def story(world: OnServer, finder: Finder) -> None:
            await world.come(TWIN)
            await until(lambda: len(finder.seen()) == 3, "the other process is announced")
            await world.go(B)
            await until(lambda: len(finder.seen()) == 2, "the first is withdrawn")
            assert Address(TWIN.url, TWIN.node, TWIN.process) in finder.seen()

        run(servers, kind, story)

    def test_is_told_of_a_change_at_once(self, servers: Shared, kind: Kind) -> None:
        async def story(world: OnServer, finder: Finder) -> None:
            for _ in range(3):
                began = time.monotonic()
                await world.come(TWIN)
                await until(lambda: len(finder.seen()) == 3, "the other process is announced")
                # Without a watch, that would take up to a third of the lease.
                assert time.monotonic() - began < PATIENCE_S / 2
                await world.go(TWIN)
                await until(lambda: len(finder.seen()) == 2, "it is withdrawn")

        run(servers, kind, story, lease_s=4 * PATIENCE_S)

    def test_changes_nothing_while_the_server_is_down_and_is_found_again(
        self, servers: Shared, kind: Kind
    ) -> None:
        async def story(world: OnServer, finder: Finder) -> None:
            seen = names(finder)
            world.server.kill()
            await until(lambda: finder.trouble, "it notices")
            assert names(finder) == seen
            await world.server.start()
            await until(lambda: not finder.trouble and names(finder) == seen, "all are back")

        run(servers, kind, story)

    def test_registers_anew_when_the_server_has_lost_its_data(
        self, servers: Shared, kind: Kind
    ) -> None:
        async def story(world: OnServer, finder: Finder) -> None:
            seen = names(finder)
            world.server.kill()
            await until(lambda: finder.trouble, "it notices")
            world.server.wipe()
            await world.server.start()
            await until(lambda: not finder.trouble and names(finder) == seen, "all are back")

        run(servers, kind, story)

    def test_drops_nobody_when_a_frozen_server_goes_on(self, servers: Shared, kind: Kind) -> None:
        async def story(world: OnServer, finder: Finder) -> None:
            seen = names(finder)
            addresses = Addresses(ME, [finder], lambda _node: False)
            addresses.look(())
            dialled = addresses.all
            assert [one.node for one in dialled] == ["b"]
            world.server.freeze()
            # The leases end meanwhile, and the server may say so when it goes on.
            await asyncio.sleep(FROZEN_S)
            world.server.thaw()
            back = False
            while not back:
                addresses.look(())
                assert addresses.all == dialled
                back = names(finder) == seen and not finder.trouble
                await asyncio.sleep(0.01)

        run(servers, kind, story)

    def test_leaves_out_what_is_no_address(self, servers: Shared, kind: Kind) -> None:
        async def story(world: OnServer, finder: Finder) -> None:
            await kind.spoil(world.server, world.name)
            await world.come(TWIN)
            await until(lambda: len(finder.seen()) == 3, "it goes on")
            assert not finder.trouble

        run(servers, kind, story)

    def test_raises_when_too_much_is_there(
        self, servers: Shared, kind: Kind, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ratchet_server.peering.registry.port.MOST_ENTRIES", 2)

        async def story(world: OnServer, finder: Finder) -> None:
            assert not finder.trouble
            await world.come(TWIN)
            await until(lambda: finder.trouble, "it notices")
            assert finder.trouble is not None
            assert "more than 2 entries" in finder.trouble.why
            await world.go(TWIN)
            await until(lambda: not finder.trouble, "it goes on")

        run(servers, kind, story)

    @pytest.mark.parametrize("frozen", [False, True])
    def test_may_be_away_when_a_node_starts_and_when_it_stops(
        self, servers: Shared, kind: Kind, frozen: bool
    ) -> None:
        async def story() -> None:
            before = open_sockets()
            server = await servers.get(kind.server)
            url = f"{kind.scheme}://{HOST}:{free_port()}/nobody"
            if frozen:
                url = f"{server.url}/nobody"
                server.freeze()
            (parsed,) = registry_urls([url])
            finder = Finder(registry(parsed), url)
            task = asyncio.create_task(finder.run(ME))
            await until(lambda: finder.trouble, "it notices")
            assert not finder.seen()
            assert not finder.has_looked()
            began = time.monotonic()
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
            assert time.monotonic() - began < WITHDRAW_S + CALL_S
            server.thaw()
            await until(lambda: open_sockets() <= before, "all sockets are closed")

        asyncio.run(story())


@pytest.mark.parametrize("kind", [KINDS["etcd"], KINDS["zookeeper"]], ids=["etcd", "zookeeper"])
class TestSeveralServers:
    def test_are_tried_one_after_the_other(self, servers: Shared, kind: Kind) -> None:
        async def story() -> None:
            server = await servers.get(kind.server)
            scheme, at = server.url.split("://")
            (url,) = registry_urls([f"{scheme}://{HOST}:{free_port()},{at}/several"])
            for _ in range(3):
                finder = Finder(registry(url), str(url))
                task = asyncio.create_task(finder.run(ME))
                await until(finder.has_looked, "it has looked")
                task.cancel()
                await asyncio.wait((task,))

        asyncio.run(story())


class TestEtcd:
    @pytest.mark.parametrize(
        ("parameters", "why"),
        [
            ("", "refuses"),
            ("?token-variable=WRONG", "authentication failed"),
            ("?token-file={}/login", None),
        ],
    )
    def test_may_want_a_name_and_a_password(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        parameters: str,
        why: str | None,
    ) -> None:
        (tmp_path / "login").write_text("root:hunter2-hunter2\n")
        monkeypatch.setenv("WRONG", "root:hunter3-hunter3")

        async def story() -> None:
            with Server(Etcd(), tmp_path / "etcd") as server:
                await server.start()
                await protect_etcd(server, "root", "hunter2-hunter2")
                (url,) = registry_urls([f"{server.url}/ratchet{parameters.format(tmp_path)}"])
                finder = Finder(registry(url), str(url))
                task = asyncio.create_task(finder.run(ME))
                await until(lambda: finder.trouble or finder.has_looked(), "it answers")
                task.cancel()
                await asyncio.wait((task,))
                assert finder.has_looked() == (why is None)
                assert (why or "") in (finder.trouble.why if finder.trouble else "")

        asyncio.run(story())
        assert "hunter" not in caplog.text


async def protect_etcd(server: Server[Etcd], user: str, password: str) -> None:
    """Let nobody in without this name and password."""
    async with httpx.AsyncClient(trust_env=False) as http:
        for path, body in [
            ("user/add", {"name": user, "password": password}),
            ("role/add", {"name": user}),
            ("user/grant", {"user": user, "role": user}),
            ("enable", {}),
        ]:
            url = server.url.replace("etcd", "http")
            (await http.post(f"{url}/v3/auth/{path}", json=body)).raise_for_status()


class TestZooKeeper:
    def test_keeps_those_out_who_have_another_name_and_password(
        self, servers: Shared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("RIGHT", "ratchet:hunter2-hunter2")
        monkeypatch.setenv("WRONG", "ratchet:hunter3-hunter3")

        async def story() -> None:
            world = OnServer(servers, ZooKeeper, parameters="?token-variable=RIGHT")
            async with AsyncExitStack() as stack:
                stack.push_async_callback(world.end)
                await world.start(B)
                for parameters in ("", "?token-variable=WRONG"):
                    (url,) = registry_urls([f"{world.server.url}/{world.name}{parameters}"])
                    stranger = registry(url)
                    stack.push_async_callback(stranger.close)
                    with pytest.raises(RegistryError, match="NoAuthError"):
                        await stranger.look()

        asyncio.run(story())
        assert "hunter" not in caplog.text
