"""A back end counts many views in one call: all of them, or none."""

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ratchet_server.http.batch import MAX_BODY, MAX_ENTRIES

from testing.nodes import HTTP, Node, cluster, equal, wait_until
from testing.wire import key, raw

MAX = 2**53 - 1


def send(node: Node, *entries: object, query: str = "") -> httpx.Response:
    """Send these entries as one batch."""
    return HTTP.post(f"{node.url}/api/views{query}", json={"views": entries})


def views(video: str, n: object = 1, key: object = None) -> dict[str, object]:
    """An entry."""
    return {"video": video, "n": n} | ({} if key is None else {"key": key})


class TestABatch:
    def test_counts_all_its_views(self, node: Node) -> None:
        entries = [views("batch-1", 3), views("batch-2", 40), views("batch-1", 2)]
        answer = send(node, *entries)
        assert (answer.status_code, answer.json()) == (200, {"counted": 45})
        assert [node.views(video) for video in ("batch-1", "batch-2")] == [5, 40]

    def test_counts_an_entry_with_a_key_once(self, node: Node) -> None:
        one, two = key(), key()
        entries = [views("batch-3", 3, one), views("batch-3", 3, one.upper()), views("batch-3", 1)]
        assert send(node, *entries).json() == {"counted": 4}
        assert send(node, *entries, views("batch-3", 5, two)).json() == {"counted": 6}
        assert node.views("batch-3") == 10

    def test_shares_its_keys_with_single_views(self, node: Node) -> None:
        one, two = key(), key()
        path = "/api/videos/batch-4/views"
        assert node.post(path, headers={"Idempotency-Key": one}).json()["counted"]
        assert send(node, views("batch-4", 7, one), views("batch-4", 1, two)).json() == {
            "counted": 1
        }
        assert not node.post(path, headers={"Idempotency-Key": two}).json()["counted"]
        assert node.views("batch-4") == 2

    def test_may_be_as_large_as_the_contract_says(self, tmp_path: Path) -> None:
        longest = [
            views(f"{n:05}".ljust(64, "x"), 1_000_000_000, key()) for n in range(MAX_ENTRIES)
        ]
        assert len(json.dumps({"views": longest})) < MAX_BODY
        with Node("a", tmp_path) as node:
            node.start()
            assert send(node, *longest).json() == {"counted": MAX_ENTRIES * 1_000_000_000}
            assert node.views("00042".ljust(64, "x")) == 1_000_000_000

    def test_waits_for_a_peer_with_ack_peers(self, tmp_path: Path) -> None:
        with cluster(tmp_path, ("a", "b")) as nodes:
            a, b = nodes.values()
            entry = views("tide", 5, key())
            for counted in (5, 0):
                assert send(a, entry, query="?ack=peers").json() == {"counted": counted}
            a.kill9()
            assert b.views("tide") == 5

    def test_without_a_peer_is_refused_with_ack_peers(self, node: Node) -> None:
        entry = views("batch-5", 5, key())
        answer = send(node, entry, query="?ack=peers")
        assert (answer.status_code, answer.json()["error"]) == (503, "no_peer")
        assert send(node, entry).json() == {"counted": 5}
        # It has counted already: the refusal would deny that.
        refused = send(node, entry, query="?ack=peers")
        assert (refused.status_code, refused.json()["error"]) == (504, "not_shared")


class TestACrash:
    def test_leaves_all_of_a_batch_or_nothing(self, tmp_path: Path) -> None:
        videos = [f"v{n}" for n in range(500)]
        with Node("a", tmp_path) as node:
            for _ in range(3):
                self.crash_once(node, videos)

    def crash_once(self, node: Node, videos: list[str]) -> None:
        """Kill the node while it counts batches. All videos have the same number then."""
        node.start()
        before = node.views("v0")
        answered: list[int] = []
        thread = threading.Thread(target=self.load, args=(node, videos, answered))
        thread.start()
        wait_until(lambda: len(answered) > 3, "some batches are answered")
        node.kill9()
        thread.join()
        node.start()
        [now] = {node.views(video) for video in videos}
        # The last batch may have been written, and its answer lost.
        assert now - before - len(answered) in {0, 1}
        node.stop()

    @staticmethod
    def load(node: Node, videos: list[str], answered: list[int]) -> None:
        """Send batches until the node is gone."""
        with contextlib.suppress(httpx.HTTPError):
            while True:
                answered.append(send(node, *map(views, videos)).status_code)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with a secret, and a list of videos."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "ids").write_text("tide\nmoss\n")
    flags = ["--videos", str(folder / "ids")]
    with Node("shop", folder, flags=flags, environ={"RATCHET_SECRET": "s" * 20}) as node:
        yield node.start()


OPERATOR = {"Authorization": f"Bearer {'s' * 20}"}

BAD_ENTRIES: list[tuple[object, str, str]] = [
    (views("tide", 0), "bad_entry", "Expected `int` >= 1 - at `$.views[1].n`"),
    (views("tide", -1), "bad_entry", ">= 1"),
    (views("tide", 1.5), "bad_entry", "got `float`"),
    (views("tide", "1"), "bad_entry", "got `str`"),
    (views("tide", True), "bad_entry", "got `bool`"),
    (views("tide", None), "bad_entry", "got `null`"),
    (views("tide", MAX + 1), "bad_entry", "<= 9007199254740991"),
    (views("tide", 10**400), "bad_entry", "at `$.views[1].n`"),
    (views("tide", 1, "x"), "bad_entry", "at `$.views[1].key`"),
    (views("tide", 1, key() + "\n"), "bad_entry", "at `$.views[1].key`"),
    (views("tide", 1, 7), "bad_entry", "at `$.views[1].key`"),
    (views("a b"), "bad_entry", "a video id is"),
    (views("%74ide"), "bad_entry", "a video id is"),
    (views("tide\n"), "bad_entry", "a video id is"),
    (views("dunes"), "unknown_video", "--videos"),
    ({"video": "tide"}, "bad_entry", "missing required field `n`"),
    ({"video": "tide", "views": 1}, "bad_entry", "unknown field `views`"),
    ({"video": "tide", "n": 1, "by": "me"}, "bad_entry", "unknown field `by`"),
    ({"video": "tide", "n": 1, "$.views[7]": 1}, "bad_entry", "unknown field `$.views[7]`"),
    ("tide", "bad_entry", "got `str` - at `$.views[1]`"),
    (["tide", 1], "bad_entry", "got `array`"),
]


class TestABadBatch:
    @pytest.mark.parametrize(("bad", "code", "reason"), BAD_ENTRIES)
    def test_is_refused_with_the_index_of_its_first_bad_entry(
        self, shop: Node, bad: object, code: str, reason: str
    ) -> None:
        batch = {"views": [views("moss"), bad, views("moss")]}
        answer = HTTP.post(f"{shop.url}/api/views", json=batch, headers=OPERATOR)
        assert (answer.status_code, answer.json()["error"]) == (400, code)
        assert answer.json()["index"] == 1
        assert answer.json()["message"].startswith("Entry 1 is bad, so none of them was counted. ")
        assert reason in answer.json()["message"]
        assert shop.views("moss") == 0

    def test_is_refused_for_the_form_of_an_entry_first(self, shop: Node) -> None:
        batch = {"views": [views("dunes"), views("a b")]}
        answer = HTTP.post(f"{shop.url}/api/views", json=batch, headers=OPERATOR)
        assert (answer.json()["error"], answer.json()["index"]) == ("bad_entry", 1)

    def test_is_refused_if_a_key_was_used_for_another_video(self, node: Node) -> None:
        one, two = key(), key()
        node.post("/api/videos/batch-6/views", headers={"Idempotency-Key": one})
        entries = [views("batch-7", 1, two), views("batch-7", 1, one)]
        for _ in range(2):
            answer = send(node, *entries)
            assert (answer.status_code, answer.json()["error"]) == (400, "key_reused")
            assert (answer.json()["index"], node.views("batch-7")) == (1, 0)
        # Within one batch, too. Nothing was counted with the other key, so it is still good.
        answer = send(node, views("batch-6", 1, two), views("batch-7", 1, two))
        assert (answer.json()["error"], answer.json()["index"]) == ("key_reused", 1)
        assert send(node, views("batch-7", 1, two)).json() == {"counted": 1}

    def test_is_refused_if_its_entries_together_are_too_many(self, node: Node) -> None:
        """No process can have counted so many since it started, so no peer would believe it."""
        entry = views("batch-8", 30_000_000_000)
        for first in (entry, views("batch-8")):
            answer = send(node, first, views("batch-8", MAX) if first != entry else entry)
            assert (answer.status_code, answer.json()["error"]) == (400, "too_many_views")
            assert answer.json()["index"] == 1
        assert send(node, entry).json() == {"counted": 30_000_000_000}
        assert send(node, entry).json()["error"] == "too_many_views"
        assert node.views("batch-8") == 30_000_000_000

    def test_is_refused_if_it_brings_too_many_videos(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, environ={"RATCHET_MAX_VIDEOS": "3"}) as node:
            node.start()
            node.view("v0")
            four = [views("v1"), views("v2"), views("v1"), views("v0"), views("v3")]
            answer = send(node, *four)
            assert (answer.json()["error"], answer.json()["index"]) == ("too_many_videos", 4)
            assert send(node, *four[:4]).json() == {"counted": 4}

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{", b"[]", b"null", b"{}", b'{"views": {}}', b'{"views": []}', b"\xff",
            b'{"views": [], "views": []}', b'{"views": [{"video": "\\ud800", "n": 1}]}',
            b'{"views": [{"video": "tide", "n": 1}], "ack": "disk"}', b"[" * 100_000,
            b'{"views": [{"video": "\xff", "n": 1}]}', b'{"$.views[7]": 1}',
            json.dumps({"views": [views("tide")] * (MAX_ENTRIES + 1)}).encode(),
        ],
    )  # fmt: skip
    def test_is_refused_if_it_is_none(self, shop: Node, body: bytes) -> None:
        answer = HTTP.post(f"{shop.url}/api/views", content=body, headers=OPERATOR)
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_views")
        assert shop.views("tide") == 0

    def test_is_refused_if_it_is_too_large(self, shop: Node) -> None:
        body = b" " * (MAX_BODY + 1)
        parts = iter([body[:1000]] * (MAX_BODY // 1000 + 1))
        for content in (body, parts):
            answer = HTTP.post(f"{shop.url}/api/views", content=content, headers=OPERATOR)
            assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
        whole = json.dumps({"views": [views("tide")]}).encode()
        answer = HTTP.post(
            f"{shop.url}/api/views",
            content=whole + b" " * (MAX_BODY - len(whole)),
            headers=OPERATOR,
        )
        assert answer.json() == {"counted": 1}

    def test_is_refused_with_an_ack_that_there_is_not(self, node: Node) -> None:
        answer = send(node, views("batch-9"), query="?ack=all")
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_ack")
        assert node.views("batch-9") == 0


class TestStrangers:
    @pytest.mark.parametrize(
        ("headers", "status", "code"),
        [
            ({}, 401, "unauthorized"),
            ({"Authorization": "Bearer other"}, 401, "unauthorized"),
            ({**OPERATOR, "Origin": "http://blog.example"}, 403, "not_for_browsers"),
        ],
    )
    def test_are_refused(self, shop: Node, headers: dict[str, str], status: int, code: str) -> None:
        batch: dict[str, Any] = {"views": [views("moss")]}
        answer = HTTP.post(f"{shop.url}/api/views", json=batch, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (status, code)
        assert shop.views("moss") == 0

    def test_are_refused_before_their_large_body_has_come(self, shop: Node) -> None:
        head = f"POST /api/views HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY}\r\n\r\n"
        assert b" 401 " in raw(shop, head.encode() + b"{").splitlines()[0]


class TestANodeThatStops:
    def test_answers_the_batches_that_wait(self, tmp_path: Path) -> None:
        with cluster(tmp_path, ("a", "b")) as nodes:
            a, b = nodes.values()
            entries = [views(f"v{n}") for n in range(2000)]
            answers: list[httpx.Response] = []
            threads = [
                threading.Thread(target=lambda: answers.append(send(a, *entries))) for _ in range(6)
            ]
            for thread in threads:
                thread.start()
            wait_until(lambda: answers, "one is answered")
            assert a.stop() == 0
            for thread in threads:
                thread.join()
            counted = [answer for answer in answers if answer.status_code == 200]
            assert all(answer.status_code == 503 for answer in answers if answer not in counted)
            a.start()
            wait_until(lambda: equal([a, b]), "both have the same counts")
            assert {b.views(f"v{n}") for n in (0, 1000, 1999)} == {len(counted)}
