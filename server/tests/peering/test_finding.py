"""Whole nodes that find each other in a registry, and know nothing else of each other."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from ratchet.frames import Hello
from ratchet_server.peering.registry.known import registry
from ratchet_server.settings.registries import registry_urls

from testing import processes
from testing.dns import dns_server
from testing.nodes import HOST, Node, connected, equal, free_port, wait_until
from testing.packages import consul
from testing.servers.consul import ConsulStandIn, RealConsul
from testing.servers.etcd import Etcd
from testing.servers.server import Server
from testing.servers.shared import Shared
from testing.servers.zookeeper import ZooKeeper

KINDS: Final[dict[str, Callable[[], Any]]] = {
    "etcd": Etcd,
    "consul": ConsulStandIn,
    "zookeeper": ZooKeeper,
}
if consul.find():
    KINDS["real consul"] = RealConsul
every = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@contextmanager
def found(folder: Path, names: str, url: str, **settings: str) -> Iterator[list[Node]]:
    """Nodes that know only a registry. They don't run yet."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(Node(name, folder, environ={"RATCHET_REGISTRY": url, **settings}))
            for name in names
        ]


def start(*nodes: Node) -> None:
    for node in nodes:
        node.spawn()
    for node in nodes:
        node.wait_for_log("ready: ")


def place(server: Server[Any]) -> str:
    return f"{server.url}/test-{secrets.token_hex(4)}"


def registered(url: str) -> list[str]:
    """The addresses that a registry holds now."""
    (parsed,) = registry_urls([url])

    async def look() -> list[str]:
        found = registry(parsed)
        try:
            return sorted(one.url for one in await found.look())
        finally:
            await found.close()

    return asyncio.run(look())


def report(node: Node) -> Any:
    return node.get("/api/cluster").json()


@every
class TestNodesThatKnowOnlyARegistry:
    def test_find_each_other_and_go_on_without_it(
        self, servers: Shared, kind: Callable[[], Any], tmp_path: Path
    ) -> None:
        server = asyncio.run(servers.get(kind))
        url = place(server)
        with found(tmp_path, "abcd", url, RATCHET_JOIN_TIMEOUT="3") as (a, b, c, d):
            start(a, b, c)
            wait_until(lambda: connected((a, b, c)), "three have found each other")
            a.view("x")
            wait_until(lambda: c.views("x") == 1, "c has what a counted")
            # One joins later.
            d.start()
            wait_until(lambda: connected((a, b, c, d)), "d has found the others")
            wait_until(
                lambda: len({report(node)["cluster"]["id"] for node in (a, d)}) == 1, "one id"
            )
            # One leaves for good, and one is killed: only the first withdraws its address.
            assert registered(url) == sorted(node.url for node in (a, b, c, d))
            assert c.stop(signal.SIGQUIT) == 0
            assert registered(url) == sorted(node.url for node in (a, b, d))
            d.kill9()
            server.kill()
            b.view("x")
            wait_until(lambda: a.views("x") == 2, "a and b go on")
            # A node whose peers know it finds together with them without the registry.
            d.start()
            wait_until(lambda: connected((a, b, d)), "d has come back")
            d.view("x")
            wait_until(lambda: equal((a, b, d)), "all have the same")


class TestAStaleAddress:
    def test_does_not_lead_a_new_node_into_another_cluster(
        self, servers: Shared, tmp_path: Path
    ) -> None:
        url = place(asyncio.run(servers.get(Etcd)))
        with ExitStack() as stack:
            x = stack.enter_context(Node("x", tmp_path)).start()
            x.view("v")
            wait_until(lambda: report(x)["cluster"]["id"], "x is a cluster")
            # It no longer joins those who find it, as it may when its disk is new.
            x.stop()
            x.start()
            # A node called b was there, and its lease has not ended yet.
            stale = Hello("b", "b" * 16, x.url)
            command = [sys.executable, "-m", "testing.announcer", url, "30"]
            words = (stale.node, stale.process, stale.url)
            announcer = processes.start([*command, *words], tmp_path / "announcer")
            stack.callback(processes.end, announcer)
            wait_until(lambda: registered(url) == [x.url], "b is registered")
            (a,) = stack.enter_context(found(tmp_path, "a", url))
            start(a)
            wait_until(lambda: report(a)["strangers"], "a has met x")
            a.view("w")
            assert report(a)["cluster"]["id"] not in {None, report(x)["cluster"]["id"]}
            assert a.views("v") == 0


class TestARegistryThatIsAway:
    def test_does_not_keep_a_node_from_counting(self, tmp_path: Path) -> None:
        url = f"etcd://{HOST}:{free_port()}/nobody"
        with found(tmp_path, "a", url, RATCHET_JOIN_TIMEOUT="1") as (a,):
            a.spawn()
            a.wait_for_log(f"{url} can't be reached")
            a.wait_for_log("ready: ")
            assert a.view("x") == 1
            assert report(a)["headline"]["mood"] == "look"
            wait_until(lambda: report(a)["registries"][0]["why"], "it is worth a word")
            seen = report(a)
            assert seen["headline"]["mood"] == "look"
            (told,) = seen["registries"]
            assert told["url"] == url
            assert told["since"] <= seen["time"]
            assert any(url in one["text"] for one in seen["to_do"])
            assert a.stop() == 0

    def test_makes_one_cluster_of_nodes_that_have_counted_alone_once_it_is_there(
        self, tmp_path: Path
    ) -> None:
        with Server(Etcd(), tmp_path / "etcd") as server:
            settings = {"RATCHET_JOIN_TIMEOUT": "1"}
            with found(tmp_path, "ab", f"{server.url}/ratchet", **settings) as (a, b):
                start(a, b)
                for node in (a, b):
                    node.view("x")
                    wait_until(lambda node=node: report(node)["cluster"]["id"], "it has an id")  # type: ignore[misc]
                    assert not report(node)["cluster"]["settled"]
                asyncio.run(server.start())
                wait_until(lambda: connected((a, b)), "they have found each other")
                wait_until(lambda: a.views("x") == b.views("x") == 2, "both have all views")
                wait_until(lambda: report(a)["cluster"]["settled"], "they are one cluster")
                assert report(a)["headline"]["mood"] == "well"


class TestNodesBehindANameInTheDns:
    def test_find_each_other_and_one_that_comes_later(self, tmp_path: Path) -> None:
        with dns_server() as zone:
            url = f"dns+srv://_peer._tcp.ratchet.test?server={zone.at}"
            with found(tmp_path, "abc", url) as nodes:

                def publish(*those: Node) -> None:
                    zone.hold(
                        *(f"_peer._tcp.ratchet.test. 0 IN SRV 0 0 {n.port} h.test." for n in those),
                        f"h.test. 0 IN A {HOST}",
                    )

                publish(*nodes[:2])
                start(*nodes[:2])
                wait_until(lambda: connected(nodes[:2]), "two have found each other")
                publish(*nodes)
                start(nodes[2])
                wait_until(lambda: connected(nodes), "all have found each other")
                # The server fails, and nothing changes.
                zone.manner = "fail"
                nodes[0].view("x")
                nodes[0].wait_for_log("SERVFAIL")
                wait_until(lambda: equal(nodes), "all have the same")
