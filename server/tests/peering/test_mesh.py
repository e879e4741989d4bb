"""Real nodes in a mesh: all get what one counts; and what may go wrong between them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ratchet.frames import VERSIONS
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.server import Server, ServerConnection, serve

from testing import described
from testing.nodes import HOST, Node, cluster, connected, equal, wait_until
from testing.wire import dial, digest, hello, how_it_closed

# A version of the protocol that nobody speaks yet.
NEWER = VERSIONS.newest + 1


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """Three nodes, for tests that leave them all running and connected."""
    with cluster(tmp_path_factory.mktemp("trio")) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node for one test alone: it logs the same line about the same peer once a minute."""
    with Node("a", tmp_path_factory.mktemp("lone")) as node:
        yield node.start()


def settle(nodes: dict[str, Node]) -> None:
    """Wait until every node has what any node has."""
    wait_until(lambda: connected(nodes.values()), "all are connected")
    wait_until(lambda: equal(nodes.values()), "all have the same")


class TestThreeNodes:
    def test_a_view_on_any_of_them_shows_on_all(self, trio: dict[str, Node]) -> None:
        for node in trio.values():
            for _ in range(20):
                node.view("all")
        settle(trio)
        assert [node.views("all") for node in trio.values()] == [60, 60, 60]

    def test_digests_are_equal_exactly_when_counts_are(self, trio: dict[str, Node]) -> None:
        settle(trio)
        before = trio["a"].digest
        trio["b"].view("digests")
        settle(trio)
        assert trio["a"].digest != before

    def test_many_videos_and_rows_reach_all(self, trio: dict[str, Node]) -> None:
        with described.Client(base_url=trio["c"].url, trust_env=False) as client:
            for number in range(1200):
                client.post(f"/api/videos/many-{number}/views?ack=memory")
        wait_until(
            lambda: all(node.views("many-1199") == 1 for node in trio.values()),
            "all have the last row",
        )
        settle(trio)
        assert [node.get("/api/videos?limit=1000").text for node in trio.values()] == (
            [trio["a"].get("/api/videos?limit=1000").text] * 3
        )

    def test_peers_are_listed_with_how_far_they_are_behind(self, trio: dict[str, Node]) -> None:
        trio["a"].view("behind")

        def listed() -> object:
            peers = trio["a"].get("/api/node").json()["peers"]
            return sorted((p["node"], p["url"], p["connected"], p["behind"]) for p in peers) == [
                (name, trio[name].url, True, 0) for name in ("b", "c")
            ]

        wait_until(listed, "both peers have everything")

    def test_a_killed_node_comes_back_and_has_what_the_others_counted(
        self, trio: dict[str, Node]
    ) -> None:
        trio["c"].view("killed")
        settle(trio)
        slot = trio["c"].slot
        trio["c"].kill9()

        def known_down() -> bool:
            peers = trio["a"].get("/api/node").json()["peers"]
            return [(p["node"], p["behind"]) for p in peers if not p["connected"]] == [("c", None)]

        wait_until(known_down, "a knows that c is down")
        for _ in range(50):
            trio["a"].view("killed")
            trio["b"].view("killed")
        trio["c"].start()
        # Ready means caught up: it shows no less than what its peers had when it started.
        assert trio["c"].views("killed") == 101
        assert trio["c"].view("killed") == 102
        assert trio["c"].slot != slot
        settle(trio)

    def test_a_paused_node_catches_up(self, trio: dict[str, Node]) -> None:
        trio["c"].pause()
        try:
            for _ in range(50):
                assert trio["a"].view("paused")
            wait_until(lambda: trio["b"].views("paused") == 50, "b goes on without c")
        finally:
            trio["c"].resume()
        settle(trio)
        assert trio["c"].views("paused") == 50


class TestDialling:
    def test_rows_pass_through_a_node_in_between(self, tmp_path: Path) -> None:
        with (
            Node("a", tmp_path) as a,
            Node("b", tmp_path) as b,
            Node("c", tmp_path, peers=[b.url]) as c,
        ):
            a.peers = [b.url]
            for node in (a, b, c):
                node.spawn()
            for node in (a, b, c):
                node.wait_for_log("ready: ")
            a.view("x")
            c.view("x")
            wait_until(lambda: a.views("x") == c.views("x") == 2, "both ends have both views")
            # b was given neither address, and still accepts both connections.
            assert {peer["node"] for peer in b.get("/api/node").json()["peers"]} == {"a", "c"}

    def test_a_node_may_be_in_its_own_list_and_its_peers_may_be_there_twice(
        self, tmp_path: Path
    ) -> None:
        with Node("b", tmp_path) as b, Node("a", tmp_path) as a:
            a.peers = [a.url, b.url, b.url, f"{b.url}/", b.url.replace(HOST, "localhost")]
            b.start()
            a.start()
            a.view("x")
            wait_until(lambda: b.views("x") == 1, "b has it")
            peers = a.get("/api/node").json()["peers"]
            assert [(peer["node"], peer["connected"]) for peer in peers] == [("b", True)]
            wait_until(lambda: "is this node itself" in a.log, "a has met itself")
            # It dials itself only once.
            a.view("x")
            assert a.log.count("is this node itself") == 1


class TestSecrets:
    def test_a_node_with_another_secret_is_refused(self, tmp_path: Path) -> None:
        with Node("b", tmp_path, environ={"RATCHET_SECRET": "right"}) as b:
            environ = {"RATCHET_SECRET": "wrong"}
            with Node("a", tmp_path, peers=[b.url], environ=environ) as a:
                b.start()
                a.start()
                a.wait_for_log("refused us: 401 (the same secret?)")
                a.view("x")
                assert b.views("x") == 0
                assert b.get("/api/node").json()["peers"] == []
                # Both log it, but not once for every attempt.
                for _ in range(3):
                    with pytest.raises(InvalidStatus), dial(b, "/peer"):
                        pass
                assert a.log.count("refused us") == 1
                assert b.log.count("refused 127.0.0.1 at /peer: That is not the secret") == 1
                a.environ = {"RATCHET_SECRET": "right"}
                a.restart()
                wait_until(lambda: b.views("x") == 1, "b has it")
                assert "right" not in a.log + b.log


class TestOneNameTwice:
    def test_the_older_stops_the_newer_goes_on_and_no_view_is_lost(self, tmp_path: Path) -> None:
        twin_folder = tmp_path / "twin"
        twin_folder.mkdir()
        with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url]) as old:
            b.start()
            old.start()
            for _ in range(5):
                old.view("x")
            with Node("a", twin_folder, peers=[b.url]) as new:
                new.start()
                new.view("x")
                assert old.wait() == 3
                assert "the newest process of a name goes on" in old.log
                assert "Traceback" not in old.log
                wait_until(lambda: new.views("x") == b.views("x") == 6, "all views are there")
                assert new.running


def claim(**fields: dict[str, int]) -> str:
    """A digest with these fields."""
    return json.dumps(json.loads(digest()) | fields)


# Frames that no node sends, and the reason with which a node refuses them.
WRONG: list[tuple[tuple[str | bytes, ...], str]] = [
    ((b"bytes",), "frames are text"),
    (("no JSON",), "sent an invalid frame"),
    ((hello(version=NEWER),), f"the sender version {NEWER}: upgrade this node"),
    ((hello(), b"bytes"), "frames are text"),
    ((hello(), digest({"x@1": [-1, None]})), "sent an invalid frame"),
    ((hello(), claim(folded={"c": 5})), "only closed slots are folded, not c@5"),
    ((hello(), claim(heard={"c": 9}, closed={"c": 4}, folded={"c": 6})), "not c@6"),
    ((hello(), claim(closed={"c": 7})), "only known slots are closed, not c@7"),
]


class TestAPeerThatMisbehaves:
    """A peer that is no real node. It dials a node, or a node dials it."""

    @contextmanager
    def peer(
        self, *frames: str | bytes, received: list[str | bytes] | None = None
    ) -> Iterator[tuple[str, list[int | None]]]:
        """The peer's URL, and the close code of each connection that a node opened to it. What it
        receives goes to `received`."""
        ended: list[int | None] = []
        taken: list[str | bytes] = [] if received is None else received

        def handle(connection: ServerConnection) -> None:
            try:
                for frame in frames:
                    connection.send(frame)
                while True:
                    taken.append(connection.recv())
            except ConnectionClosed as closed:
                ended.append(closed.rcvd.code if closed.rcvd else None)

        server: Server
        with serve(handle, HOST, 0) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://{HOST}:{server.socket.getsockname()[1]}", ended
            finally:
                server.shutdown()
                thread.join()

    @pytest.mark.parametrize(("frames", "reason"), WRONG)
    def test_is_refused_and_reported(
        self, lone: Node, frames: tuple[str | bytes, ...], reason: str
    ) -> None:
        before = len(lone.log)
        with dial(lone, "/peer") as socket:
            for frame in frames:
                socket.send(frame)
            close = how_it_closed(socket)
        assert (close.code, reason in close.reason) == (1008, True)
        # The log names the peer once its hello has given its name.
        start = f"peer {'x at ' if len(frames) > 1 else ''}{HOST} sent "
        wait_until(lambda: start in lone.log[before:], "the peer is reported")
        line = next(line for line in lone.log[before:].splitlines() if start in line)
        assert " WARNING " in line
        assert reason in line
        assert "c" not in lone.get("/api/node").json()["closed"]

    @pytest.mark.parametrize(("frames", "reason"), WRONG)
    def test_is_disconnected_and_dialled_again(
        self, tmp_path: Path, frames: tuple[str | bytes, ...], reason: str
    ) -> None:
        with self.peer(*frames) as (url, ended), Node("a", tmp_path, peers=[url]) as node:
            node.data = ":memory:"
            node.start()
            wait_until(lambda: len(ended) >= 3, "it is dialled again and again")
            assert {*ended} == {1008}
            # The log does not have a line for each time.
            assert node.log.count(reason) == 1
            assert "Traceback" not in node.log
            assert node.views("x") == 0

    def test_and_speaks_no_version_of_ours_receives_our_versions_all_the_same(
        self, tmp_path: Path
    ) -> None:
        received: list[str | bytes] = []
        peer = self.peer(hello(version=NEWER), received=received)
        with peer as (url, ended), Node("a", tmp_path, peers=[url]) as node:
            node.data = ":memory:"
            node.start()
            wait_until(lambda: ended, "the node has ended the connection")
            assert json.loads(received[0])["versions"] == [*VERSIONS]

    def test_and_sends_too_much_at_once_is_disconnected_and_dialled_again(
        self, tmp_path: Path
    ) -> None:
        frames = (hello(), "x" * 2_000_000)
        with self.peer(*frames) as (url, ended), Node("a", tmp_path, peers=[url]) as node:
            node.data = ":memory:"
            node.start()
            wait_until(lambda: len(ended) >= 3, "it is dialled again and again")
            assert "Traceback" not in node.log

    def test_and_sends_no_digest_holds_a_starting_node_up_only_for_the_timeout(
        self, tmp_path: Path
    ) -> None:
        environ = {"RATCHET_JOIN_TIMEOUT": "1"}
        with (
            self.peer(hello()) as (url, _),
            Node("a", tmp_path, peers=[url], environ=environ) as node,
        ):
            node.start()
            assert "not caught up with all peers after 1 s" in node.log
            assert node.view("x") == 1
