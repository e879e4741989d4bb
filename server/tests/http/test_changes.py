"""A back end follows all numbers: it misses none while it is away, and goes on with any node."""

import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet_server.http.changes import MAX_STREAMS

from testing import described
from testing.disk import fill
from testing.nodes import HOST, HTTP, PATIENCE_S, Node, cluster, equal, wait_until


@dataclass
class Reader:
    """A back end: the numbers that it has, and the id of its last event."""

    id: str = ""
    numbers: dict[str, int] = field(default_factory=dict)
    # How many videos the last connection has brought.
    brought: int = 0

    @contextmanager
    def following(self, node: Node) -> Iterator[Iterator[None]]:
        """Inside, each step of the iterator takes one event."""
        headers = {"Last-Event-ID": self.id} if self.id else {}
        with HTTP.stream("GET", f"{node.url}/api/changes", headers=headers) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"] == "text/event-stream"
            self.brought = 0
            yield self._events(response)

    def _events(self, response: httpx.Response) -> Iterator[None]:
        given = self.id
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                given = value
            elif name == "data":
                videos = json.loads(value)["videos"]
                self.brought += len(videos)
                self.numbers |= dict(videos)
                self.id = given
                yield

    def read_all(self, node: Node) -> None:
        """Read all numbers."""
        for one in node.get("/api/videos?limit=1000").json()["videos"]:
            self.numbers[one["video"]] = one["views"]


class TestAStream:
    def test_has_each_number_that_changes(self, node: Node) -> None:
        reader = Reader()
        with reader.following(node) as events:
            next(events)
            assert (reader.brought, reader.numbers) == (0, {})
            for views in (1, 2):
                node.view("changes-1")
                node.view("changes-2")
                while reader.numbers.get("changes-1") != views or reader.numbers.get(
                    "changes-2"
                ) != (views):
                    next(events)
        assert reader.numbers == {"changes-1": 2, "changes-2": 2}

    def test_goes_on_where_it_was_with_another_node(self, tmp_path: Path) -> None:
        with cluster(tmp_path, ("a", "b")) as nodes:
            a, b = nodes.values()
            for number in range(50):
                a.view(f"old-{number}")
            wait_until(lambda: equal([a, b]), "both have the same")
            reader = Reader()
            with reader.following(a) as events:
                next(events)
            reader.read_all(a)
            assert len(reader.numbers) == 50
            a.view("tide")
            b.view("moss")
            b.view("old-7")
            wait_until(lambda: equal([a, b]), "both have the same")
            a.kill9()
            with reader.following(b) as events:
                next(events)
                changed = {"moss": 1, "tide": 1, "old-7": 2}
                while not changed.items() <= reader.numbers.items():
                    next(events)
                # Nothing else.
                assert reader.brought == 3

    def test_misses_nothing_wherever_and_however_often_it_breaks_off(self, tmp_path: Path) -> None:
        chance = random.Random(7)
        with cluster(tmp_path) as nodes:
            stopped = threading.Event()

            def count() -> None:
                while not stopped.is_set():
                    chance.choice([*nodes.values()]).view(f"v{chance.randrange(40)}")

            reader = Reader()
            thread = threading.Thread(target=count)
            thread.start()
            for _ in range(25):
                with reader.following(chance.choice([*nodes.values()])) as events:
                    for _ in range(chance.randrange(1, 4)):
                        next(events)
            stopped.set()
            thread.join()
            wait_until(lambda: equal(nodes.values()), "all have the same")
            truth = Reader()
            truth.read_all(nodes["a"])
            with reader.following(nodes["b"]) as events:
                while reader.numbers != truth.numbers:
                    next(events)

    def test_has_no_ids_that_are_too_long_for_a_header(self, tmp_path: Path) -> None:
        """Such an id could not be sent back. The last one that could is still good."""
        slots = [Slot(f"node-{n}", 1_795_000_000_000_000 + n) for n in range(500)]
        rows = (Row("tide", 1, 1),)
        columns = tuple(ColumnChange(slot, 1, rows) for slot in slots)
        fill(tmp_path / "a", Changes(columns, newest=dict(slots)))
        with Node("a", tmp_path) as node:
            node.start()
            reader = Reader()
            with reader.following(node) as events:
                next(events)
                node.view("moss")
                while reader.numbers.get("moss") != 1:
                    next(events)
            assert reader.id == ""

    def test_ends_when_the_node_stops(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            reader = Reader()
            with reader.following(node) as events:
                next(events)
                assert node.stop() == 0
                assert [*events] == []


class TestAReaderThatWasAway:
    def test_is_told_to_begin_anew_once_slots_were_folded(self, tmp_path: Path) -> None:
        environ = {"RATCHET_FOLD_GRACE": "0"}
        with cluster(tmp_path, ("a", "b"), environ=environ) as nodes:
            a, b = nodes.values()
            reader = Reader()
            with reader.following(a) as events:
                next(events)
                b.view("tide")
                b.restart()
                # A reader that is there gets all of it, with the new ids.
                wait_until(lambda: a.get("/api/node").json()["folded"].get("b"), "a folds")
                a.view("moss")
                while reader.numbers.get("moss") != 1:
                    next(events)
                assert reader.numbers == {"tide": 1, "moss": 1}
            before = reader.id
            with reader.following(a) as events:
                next(events)
            folded = a.get("/api/node").json()["folded"]["b"]
            a.view("dunes")
            b.view("tide")
            b.restart()
            wait_until(lambda: a.get("/api/node").json()["folded"]["b"] > folded, "a folds again")
            answer = a.get("/api/changes", {"Last-Event-ID": before})
            assert (answer.status_code, answer.json()["error"]) == (410, "too_old")
            assert "/api/videos" in answer.json()["message"]

    def test_that_reads_quickly_holds_up_nobody(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            reader = Reader()
            with reader.following(node) as events:
                next(events)
            for part in range(3):
                many = [{"video": f"v{part}-{n}", "n": 1} for n in range(10_000)]
                assert node.post_json("/api/views", views=many).status_code == 200
            path = f"/api/changes?after={reader.id}"
            with _asked(node, path) as stream, _asked(node, "/readyz") as other:
                begun, ended = threading.Event(), threading.Event()

                def read() -> None:
                    came = b""
                    # Only the last event has an id.
                    while b"\nid: " not in came:
                        came = came[-5:] + stream.recv(2**20)
                        begun.set()
                    ended.set()

                thread = threading.Thread(target=read)
                thread.start()
                begun.wait(PATIENCE_S)
                answered = 0
                while not ended.is_set():
                    assert b" 200 " in other.recv(2**16)
                    answered += 1
                    other.sendall(_request("/readyz"))
                thread.join()
                # The first one may have been answered before the stream began, and one after it.
                assert answered > 2


class TestABadRequest:
    @pytest.mark.parametrize(
        "after", ["x", "x.y", "x.a@1", "x.a@1:", "x.a@1:-1", "x.a@1:x", "x.@1:1", ".a@007:1",
                  "x.a@1:1:1", "x.a@1:" + "9" * 5000]
    )  # fmt: skip
    def test_with_an_id_of_another_kind_is_refused(self, node: Node, after: str) -> None:
        answer = node.get(f"/api/changes?after={after}")
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_after")

    def test_without_the_secret_is_refused(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, environ={"RATCHET_SECRET": "s" * 20}) as node:
            node.start()
            assert node.get("/api/changes").status_code == 401
            operator = {"Authorization": f"Bearer {'s' * 20}"}
            with HTTP.stream("GET", f"{node.url}/api/changes", headers=operator) as response:
                assert response.status_code == 200

    def test_beyond_the_streams_that_a_node_has_is_refused(self, node: Node) -> None:
        clients = []
        try:
            for _ in range(MAX_STREAMS):
                client = described.Client(timeout=PATIENCE_S, trust_env=False)
                clients.append(client)
                request = client.build_request("GET", f"{node.url}/api/changes")
                assert client.send(request, stream=True).status_code == 200
            answer = node.get("/api/changes")
            assert (answer.status_code, answer.json()["error"]) == (503, "crowded")
        finally:
            for client in clients:
                client.close()
        wait_until(lambda: _opens(node), "there is room again")


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def _asked(node: Node, path: str) -> socket.socket:
    """A connection with a request on its way."""
    connection = socket.create_connection((HOST, node.port), timeout=PATIENCE_S)
    connection.sendall(_request(path))
    return connection


def _opens(node: Node) -> bool:
    with HTTP.stream("GET", f"{node.url}/api/changes") as response:
        return response.status_code == 200
