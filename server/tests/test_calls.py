"""The client that programs import, with a real node."""

import io
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ratchet_server.client import (
    CallError,
    Client,
    CountedMany,
    Entry,
    Refused,
    Unreachable,
    Video,
    new_key,
)

from testing.documents import blocks
from testing.nodes import HOST, Node, wait_until
from testing.responder import responding

README = Path(__file__).parents[2] / "README.md"
SECRET = "a-secret-that-only-these-tests-have"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with a secret, and with no other."""
    environ = {"RATCHET_SECRET": SECRET}
    with Node("a", tmp_path_factory.mktemp("alone"), environ=environ) as node:
        node.start()
        wait_until(lambda: node.slot, "the slot is open")
        yield node


@pytest.fixture
def client(alone: Node) -> Iterator[Client]:
    with Client(alone.url, SECRET) as client:
        yield client


def test_a_view_counts_once_with_its_key(client: Client) -> None:
    key = new_key()
    first, again = client.count("once", key=key), client.count("once", key=key, ack="memory")
    assert (first.video, first.views, first.counted) == ("once", 1, True)
    assert (again.views, again.counted) == (1, False)
    assert client.count("once").views == client.views("once") == 2


def test_a_view_may_be_pending() -> None:
    answer = '{"video": "later", "views": 3, "counted": "pending"}'
    with responding(200, answer) as url, Client(url) as node:
        assert node.count("later", key=new_key(), attempt=2).counted == "pending"


def test_some_of_many_views_may_be_pending() -> None:
    with responding(200, '{"counted": 2, "pending": 5}') as url, Client(url) as node:
        assert node.count_many([Entry("later", 7, new_key())], attempt=2) == CountedMany(2, 5)


def test_many_views_count_in_one_call(client: Client) -> None:
    entries = [Entry("many", 3, new_key()), Entry("many")]
    assert client.count_many(entries).counted == 4
    # The first one has a key.
    assert client.count_many(entries, ack="disk", attempt=2).counted == 1
    assert client.views("many") == 5


def test_a_video_has_days(client: Client) -> None:
    before = datetime.now(UTC).date()
    client.count_many([Entry("daily", 7)])
    days = client.days("daily")
    assert sum(days.values()) == 7
    assert all(before <= day <= datetime.now(UTC).date() for day in days)
    assert client.days("never") == {}


def test_lists_have_numbers(client: Client) -> None:
    client.count_many([Entry("list-a", 1_000_000), Entry("list-b", 2_000_000)])
    wait_until(lambda: client.top(1) == [Video("list-b", 2_000_000)], "it is the first one")
    assert client.videos(["list-b", "list-a"]) == [
        Video("list-b", 2_000_000),
        Video("list-a", 1_000_000),
    ]
    today = [Video("list-b", 2_000_000, today=2_000_000)]
    wait_until(lambda: client.top_today(1) == today, "it is the first one of today")
    page = next(client.pages(after="list-"))
    assert [one.video for one in page][:2] == ["list-a", "list-b"]


def test_all_pages_are_all_videos(client: Client) -> None:
    client.count_many(Entry(f"page-{n:04}") for n in range(2001))
    pages = [[one.video for one in page] for page in client.pages(after="page-")]
    assert [len(page) for page in pages][:2] == [1000, 1000]
    assert [video for page in pages for video in page][:2001] == [
        f"page-{n:04}" for n in range(2001)
    ]


def test_a_snapshot_is_a_counter(client: Client, alone: Node) -> None:
    client.count("shot")
    shot = client.snapshot("shot")
    assert (shot.base, shot.slots, shot.folded) == (0, {alone.slot: 1}, {})


def test_an_import_counts_once(client: Client) -> None:
    wait_until(lambda: client.bring("client").state == "open", "it is open")
    rows = [("brought", 40), ("fetched", 2)]
    assert client.bring("client", rows).views == 42
    for _ in range(2):
        done = client.bring("client", rows, end={"videos": 2, "views": 42})
        assert (done.name, done.state, done.videos, done.views) == ("client", "ended", 2, 42)
    assert client.views("brought") == 40


def test_the_node_says_how_it_is(client: Client) -> None:
    node, cluster = client.node(), client.cluster()
    assert (node.node, node.ready, node.peers) == ("a", True, [])
    assert (cluster["node"], cluster["cluster"]["id"]) == ("a", node.cluster)


def test_a_backup_is_a_database(client: Client) -> None:
    file = io.BytesIO()
    client.backup(file)
    assert file.getvalue().startswith(b"SQLite format 3\0")


def test_a_refusal_has_the_code_and_what_is_sure(client: Client, alone: Node) -> None:
    with pytest.raises(Refused, match=r"refused \(503\): No other node") as no_peer:
        client.count("refused", ack="peers")
    assert (no_peer.value.status, no_peer.value.code) == (503, "no_peer")
    assert (no_peer.value.unsure, no_peer.value.retry_after_s) == (False, 1)
    with pytest.raises(Refused) as bad:
        client.count_many([Entry("a b")])
    assert (bad.value.code, bad.value.body["index"], bad.value.unsure) == ("bad_entry", 0, False)
    with pytest.raises(Refused) as unknown:
        client.retire("nobody", check=True)
    assert unknown.value.code == "unknown_node"
    with Client(alone.url) as stranger, pytest.raises(Refused) as secret:
        stranger.count_many([Entry("refused")])
    assert secret.value.code == "unauthorized"
    assert client.views("refused") == 0


def test_a_video_is_named_as_a_whole(client: Client) -> None:
    with pytest.raises(Refused) as refused:
        client.views("tide/../../node")
    assert refused.value.code == "bad_video"


def test_the_secret_is_not_sent_where_none_is_needed() -> None:
    seen: list[tuple[str, str | None]] = []
    body = '{"video": "tide", "views": 1, "counted": true}'
    with responding(200, body, seen=seen) as url, Client(url, SECRET) as client:
        client.count("tide")
        client.views("tide")
    assert seen == [("POST", None), ("GET", None)]


@pytest.mark.parametrize(
    ("status", "unsure"), [(502, True), (504, True), (500, True), (404, False)]
)
def test_a_view_may_be_counted_after_some_refusals_only(status: int, unsure: bool) -> None:
    with responding(status, "{}") as url, Client(url) as client:
        with pytest.raises(Refused) as refused:
            client.count("tide")
        assert refused.value.unsure is unsure


def test_nothing_is_counted_where_nobody_listens() -> None:
    with socket.create_server((HOST, 0)) as closed:
        url = f"http://{HOST}:{closed.getsockname()[1]}"
    with Client(url) as client, pytest.raises(Unreachable) as unreachable:
        client.count("tide")
    assert not unreachable.value.unsure


def test_a_view_may_be_counted_if_the_response_makes_no_sense() -> None:
    with responding(200, '{"views": 1}') as url, Client(url) as client:
        with pytest.raises(CallError, match="is no Ratchet node of this version") as error:
            client.count("tide")
        assert error.value.unsure


def test_the_example_of_the_readme_runs(alone: Node, capsys: pytest.CaptureFixture[str]) -> None:
    [example] = [text for text in blocks(README, "python") if "ratchet_server.client" in text]
    url = "http://10.0.0.1:1234"
    assert url in example
    exec(example.replace(url, alone.url), {})
    assert capsys.readouterr().out.startswith("1\n[Video(video=")
