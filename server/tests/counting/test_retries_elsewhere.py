"""A view with a key counts once, wherever its retry lands: on real nodes, disks and signals."""

import contextlib
import signal
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from ratchet_server.client import Client
from ratchet_server.counting.datadir import DATABASE

from testing.life import Ways
from testing.links import Links
from testing.metrics import value
from testing.nodes import HTTP, Node, cluster, equal, wait_until


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    with cluster(tmp_path_factory.mktemp("retries")) as nodes:
        # A node whose name is new asks the others about each key for some seconds.
        wait_until(
            lambda: all(send(node, video()) is True for node in nodes.values()), "all count at once"
        )
        yield nodes


def video() -> str:
    return f"v-{uuid.uuid4().hex[:12]}"


def send(node: Node, video: str, key: str = "", attempt: int = 1) -> object:
    """Send a view. Return what its answer says of it."""
    headers = {"Idempotency-Key": key or str(uuid.uuid4()), "Ratchet-Attempt": str(attempt)}
    response = node.post(f"/api/videos/{video}/views", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["counted"]


def agree(nodes: dict[str, Node], video: str, views: int) -> None:
    """Wait until all nodes show so many views, and see that they stay at it."""
    wait_until(lambda: all(node.views(video) == views for node in nodes.values()), "all agree")
    wait_until(lambda: equal(nodes.values()), "all are equal")
    assert {node.views(video) for node in nodes.values()} == {views}


def test_a_retry_at_another_node_does_not_count_again(nodes: dict[str, Node]) -> None:
    tide, key = video(), str(uuid.uuid4())
    assert send(nodes["a"], tide, key) is True
    assert send(nodes["b"], tide, key, attempt=2) is False
    assert send(nodes["c"], tide, key, attempt=3) is False
    agree(nodes, tide, 1)


def test_a_retry_whose_first_attempt_never_came_counts(nodes: dict[str, Node]) -> None:
    tide, key = video(), str(uuid.uuid4())
    assert send(nodes["b"], tide, key, attempt=2) is True
    assert send(nodes["a"], tide, key) is False
    agree(nodes, tide, 1)


def test_of_retries_at_all_nodes_at_once_one_counts(nodes: dict[str, Node]) -> None:
    tide, keys = video(), [str(uuid.uuid4()) for _ in range(20)]
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(send, node, tide, key, 2) for key in keys for node in nodes.values()]
    assert [answer.result() for answer in answers].count(True) == len(keys)
    agree(nodes, tide, len(keys))


def test_while_a_node_is_stopped_retries_are_pending_and_count_once(
    nodes: dict[str, Node],
) -> None:
    tide, counted, fresh = video(), str(uuid.uuid4()), str(uuid.uuid4())
    assert send(nodes["a"], tide, counted) is True
    wait_until(lambda: nodes["b"].views(tide) == 1, "it has spread")
    nodes["a"].pause()
    try:
        for key in (counted, fresh):
            assert send(nodes["b"], tide, key, attempt=2) == "pending"
            assert send(nodes["c"], tide, key, attempt=3) == "pending"
        assert nodes["b"].views(tide) == 1
    finally:
        nodes["a"].resume()
    agree(nodes, tide, 2)
    wait_until(lambda: send(nodes["c"], tide, fresh, attempt=4) is False, "c knows that it counts")


def test_a_client_with_little_time_hears_that_its_view_is_pending(nodes: dict[str, Node]) -> None:
    tide, key = video(), str(uuid.uuid4())
    headers = {"Idempotency-Key": key, "Ratchet-Attempt": "2"}

    def send_in_haste() -> object:
        with contextlib.suppress(httpx.TimeoutException):
            url = f"{nodes['b'].url}/api/videos/{tide}/views"
            return HTTP.post(url, headers=headers, timeout=0.7).json()["counted"]
        return None

    nodes["a"].pause()
    try:
        assert send_in_haste() is None
        wait_until(lambda: send_in_haste() == "pending", "an attempt hears it", 5.0)
    finally:
        nodes["a"].resume()
    agree(nodes, tide, 1)


def test_a_pending_view_outlives_kill_9(nodes: dict[str, Node]) -> None:
    tide, key = video(), str(uuid.uuid4())
    nodes["a"].kill9()
    assert send(nodes["b"], tide, key, attempt=2) == "pending"
    nodes["b"].restart()
    nodes["a"].start()
    agree(nodes, tide, 1)


def test_a_batch_that_is_sent_again_to_another_node_counts_once(nodes: dict[str, Node]) -> None:
    tide = video()
    entries = [{"video": tide, "n": 3, "key": str(uuid.uuid4())} for _ in range(50)]
    path, again = "/api/views", {"Ratchet-Attempt": "2"}
    assert nodes["a"].post_json(path, views=entries).json() == {"counted": 150}
    more = [*entries, {"video": tide, "n": 5, "key": str(uuid.uuid4())}]
    answer = _post(nodes["b"], {"views": more}, again)
    assert answer == {"counted": 5}
    nodes["a"].pause()
    try:
        new = [{"video": tide, "n": 7, "key": str(uuid.uuid4())}]
        assert _post(nodes["b"], {"views": new}, again) == {"counted": 0, "pending": 7}
    finally:
        nodes["a"].resume()
    agree(nodes, tide, 162)


def _post(node: Node, body: object, headers: dict[str, str]) -> object:
    response = HTTP.post(f"{node.url}/api/views", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def test_who_leaves_hands_pending_views_over(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        a, b, c = nodes.values()
        wait_until(lambda: send(b, video()) is True, "it counts at once")
        tide, key = video(), str(uuid.uuid4())
        a.kill9()
        assert send(b, tide, key, attempt=2) == "pending"
        assert b.stop(signal.SIGQUIT) == 0
        a.start()
        agree({"a": a, "c": c}, tide, 1)


def test_who_leaves_tells_others_what_it_has_counted(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        a, b, c = nodes.values()
        wait_until(lambda: send(a, video()) is True, "it counts at once")
        tide = video()
        keys = [str(uuid.uuid4()) for _ in range(2500)]
        entries = [{"video": tide, "n": 1, "key": key} for key in keys]
        assert _post(a, {"views": entries}, {}) == {"counted": 2500}
        assert a.stop(signal.SIGQUIT) == 0
        assert "keys" not in a.log
        for key in (keys[0], keys[1200], keys[-1]):
            assert send(b, tide, key, attempt=2) is False
            assert send(c, tide, key, attempt=2) is False
        # Nobody waits for the node that is gone until its grace, an hour, is over.
        for node in (b, c):
            assert send(node, tide, attempt=2) in {True, "pending"}
        agree({"b": b, "c": c}, tide, 2502)


def test_a_connection_that_breaks_for_a_moment_does_not_stop_who_hands_keys_over(
    tmp_path: Path,
) -> None:
    with Links() as links:
        ways = Ways(links)
        environ = {"RATCHET_DISCOVER": "no"}
        with cluster(tmp_path, ("a", "b"), environ=environ, route=ways.route) as nodes:
            a, b = nodes.values()
            wait_until(lambda: send(a, video()) is True, "it counts at once")
            tide, keys = video(), [str(uuid.uuid4()) for _ in range(60_000)]
            for at in range(0, len(keys), 10_000):
                entries = [{"video": tide, "n": 1, "key": key} for key in keys[at : at + 10_000]]
                assert _post(a, {"views": entries}, {}) == {"counted": 10_000}
            before = _held(b)
            a.post("/api/node/leave")
            wait_until(lambda: _held(b) > before, "some are there")
            with ways.cut("ab"):
                pass
            assert a.wait() == 0
            assert _held(b) >= before + len(keys)
            assert "no other node has all keys" not in a.log


def _held(node: Node) -> float:
    """How many keys it has on its disk."""
    return value(node, "ratchet_keys") or 0


def test_a_node_in_memory_that_stops_hands_pending_views_and_keys_over(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        a, b, c = nodes.values()
        assert b.stop() == 0
        b.data = ":memory:"
        b.start()
        wait_until(lambda: send(b, video()) is True, "it counts at once")
        tide, counted, key = video(), str(uuid.uuid4()), str(uuid.uuid4())
        assert send(b, tide, counted) is True
        a.kill9()
        assert send(b, tide, key, attempt=2) == "pending"
        assert b.stop() == 0
        b.start()
        a.start()
        assert send(c, tide, counted, attempt=2) is not True
        agree({"a": a, "b": b, "c": c}, tide, 2)


def test_a_pending_view_that_has_counted_does_not_come_back_with_a_backup(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        a, b, _ = nodes.values()
        tide, key, backup = video(), str(uuid.uuid4()), tmp_path / "backup" / DATABASE
        a.kill9()
        assert send(b, tide, key, attempt=2) == "pending"
        backup.parent.mkdir()
        with Client(b.url) as client, backup.open("wb") as file:
            client.backup(file)
        a.start()
        agree(nodes, tide, 1)
        b.kill9()
        b.lose_disk(backup.parent)
        b.start()
        agree(nodes, tide, 1)


def test_a_promise_outlives_its_key_while_a_node_is_missing(tmp_path: Path) -> None:
    with cluster(tmp_path, environ={"RATCHET_KEY_LIFETIME": "1"}) as nodes:
        a, b, c = nodes.values()
        tide, moss, key, later = video(), video(), str(uuid.uuid4()), str(uuid.uuid4())
        c.kill9()
        wait_until(lambda: send(a, video()) is True, "a's name is no longer new")
        assert send(b, tide, key, attempt=2) == "pending"
        # By now a has promised the key. When a key that came later has expired, so has that one.
        assert send(a, moss, later) is True
        wait_until(lambda: send(a, moss, later) is True, "the key counts again")
        assert send(a, tide, key) == "pending"
        c.start()
        agree(nodes, tide, 1)


@pytest.mark.parametrize("attempt", ["0", "two", "-1", "99999", "1.5", ""])
def test_an_attempt_that_is_no_number_is_refused(nodes: dict[str, Node], attempt: str) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Ratchet-Attempt": attempt}
    response = nodes["a"].post(f"/api/videos/{video()}/views", headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "bad_attempt")
