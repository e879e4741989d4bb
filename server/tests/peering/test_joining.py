"""Joining by one address: which other nodes a node dials, and for how long."""

import asyncio
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ratchet.frames import Alive, Frame, Hello
from ratchet_server.peering.addresses import Addresses
from ratchet_server.peering.gossip import Gossip
from ratchet_server.peering.mesh import Mesh

from testing.nodes import PATIENCE_S, Node, connected, equal, free_port, wait_until
from testing.transports import OpenDoor
from testing.vip import virtual_ip

ME = Hello("a", "a" * 16, "http://a:1")


def listed(node: Node) -> dict[str, bool]:
    """The peers that it lists, and whether they are connected."""
    return {peer["node"]: peer["connected"] for peer in node.get("/api/node").json()["peers"]}


@contextmanager
def seeded(folder: Path, names: Iterable[str], **settings: str) -> Iterator[list[Node]]:
    """Running nodes. The first was given no address, and all others that of the first."""
    with ExitStack() as stack:
        nodes: list[Node] = []
        for name in names:
            peers = [nodes[0].url] if nodes else []
            node = Node(name, folder, peers=peers, environ=settings)
            nodes.append(stack.enter_context(node))
        for node in nodes:
            node.spawn()
        for node in nodes:
            node.wait_for_log("ready: ")
        yield nodes


class TestACluster:
    def test_is_joined_by_one_address(self, tmp_path: Path) -> None:
        with seeded(tmp_path, "abcd") as nodes:
            wait_until(lambda: connected(nodes), "all are connected to all")
            nodes[0].kill9()
            # The others have found each other through a, but no longer need it.
            nodes[1].view("x")
            wait_until(lambda: nodes[3].views("x") == 1, "d has what b counted")

    def test_finds_together_again_without_the_node_that_it_was_joined_by(
        self, tmp_path: Path
    ) -> None:
        with seeded(tmp_path, "abc") as (a, b, c):
            wait_until(lambda: connected((a, b, c)), "all are connected to all")
            a.kill9()
            # b was given only a's address, and has forgotten the others.
            b.restart()
            wait_until(lambda: connected((b, c)), "c has found b again")
            # c comes back by itself, whether it dials b or b dials it.
            c.kill9()
            b.view("x")
            c.start()
            wait_until(lambda: equal((b, c)), "c has what b counted")

    def test_finds_together_again_whatever_starts_first(self, tmp_path: Path) -> None:
        with seeded(tmp_path, "abc") as (a, b, c):
            wait_until(lambda: connected((a, b, c)), "all are connected to all")
            for node in (a, b, c):
                node.kill9()
            for node in (c, b, a):
                node.start()
            wait_until(lambda: connected((a, b, c)), "all are connected to all")

    def test_forgets_nodes_that_have_left_and_waits_for_those_that_have_stopped(
        self, tmp_path: Path
    ) -> None:
        with seeded(tmp_path, "abcd") as (a, b, c, d):
            wait_until(lambda: connected((a, b, c, d)), "all are connected to all")
            assert c.stop() == 0
            assert d.stop(signal.SIGQUIT) == 0
            wait_until(lambda: listed(a) == {"b": True, "c": False}, "a has forgotten d")
            wait_until(lambda: listed(b) == {"a": True, "c": False}, "b has forgotten d")
            c.start()
            wait_until(lambda: connected((a, b, c)), "c is back")

    def test_is_not_harmed_by_a_node_that_advertises_a_wrong_address(self, tmp_path: Path) -> None:
        with seeded(tmp_path, "abc") as (a, b, c):
            nobody = f"http://127.0.0.1:{free_port()}"
            odd = []
            with ExitStack() as stack:
                for name, url in (
                    ("d", a.url),
                    ("e", c.url),
                    ("f", nobody),
                    ("g", "http://[::]:1"),
                ):
                    flags = ["--open", "--advertise", url]
                    node = stack.enter_context(Node(name, tmp_path, peers=[a.url], flags=flags))
                    odd.append(node.spawn())
                wait_until(
                    lambda: all(connected((a, b, c, node)) for node in odd),
                    "each new node is connected to all that have a right address",
                )
                for node in odd:
                    node.wait_for_log("ready: ")
                    node.view("x")
                wait_until(lambda: equal((a, b, c, *odd)), "all have the views")
            for node in (a, b, c):
                assert "WARNING" not in node.log
                assert "Traceback" not in node.log

    def test_with_discovery_off_only_given_addresses_are_dialled(self, tmp_path: Path) -> None:
        with seeded(tmp_path, "abc", RATCHET_DISCOVER="no") as (a, b, c):
            b.view("x")
            wait_until(lambda: equal((a, b, c)), "b's view has come to c through a")
            assert [listed(node) for node in (a, b, c)] == [
                {"b": True, "c": True},
                {"a": True},
                {"a": True},
            ]

    def test_is_one_cluster_whoever_first_answers_at_an_address_that_all_share(
        self, tmp_path: Path
    ) -> None:
        with ExitStack() as stack:
            nodes = [stack.enter_context(Node(name, tmp_path)) for name in "abcde"]
            a, b, c, d, e = nodes
            # a and b find each other, c and d find each other, and e finds itself.
            for node, first in ((a, b), (b, a), (c, d), (d, c), (e, e)):
                node.peers = [stack.enter_context(virtual_ip(nodes, first=[first]))]
            for node in nodes:
                node.spawn()
            for node in nodes:
                node.wait_for_log("ready: ")
            wait_until(lambda: connected(nodes), "all are connected to all")
            # The address is asked for ever. That is nothing to warn of.
            assert not any("WARNING" in node.log for node in nodes)


class TestANodeThatStarts:
    def test_has_tried_learned_addresses_too_before_it_is_settled(self) -> None:
        nobody = f"http://127.0.0.1:{free_port()}"
        alive: dict[str, Alive] = {}

        async def story() -> None:
            addresses = Addresses(ME, [Gossip(lambda: alive)], lambda _node: False)
            mesh = Mesh(ME, addresses, OpenDoor(ME), secret=None)
            running = asyncio.create_task(mesh.run(Nobody()))
            assert mesh.settled()
            alive["1"] = Alive("c", None, nobody)
            assert not mesh.settled()
            async with asyncio.timeout(PATIENCE_S):
                while not mesh.settled():  # noqa: ASYNC110
                    await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait((running,))

        asyncio.run(story())


class Nobody:
    """An inbox for which nothing may arrive."""

    async def receive(self, frame: Frame, process: str) -> None:
        raise AssertionError(frame, process)

    def joined(self, hello: Hello) -> None:
        raise AssertionError(hello)

    def left(self, process: str) -> None:
        raise AssertionError(process)
