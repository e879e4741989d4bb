"""An operator adds a clip to one of three nodes. All nodes count its views, show its page and serve
it within seconds, also through the balancer, and none is restarted."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
import pytest
from ratchet_server.demo import balancer
from ratchet_server.http.elsewhere import MARK, MOST_AT_ONCE

from testing.nodes import HOST, HTTP, Node, connected, free_port, wait_until
from testing.processes import running
from testing.vip import virtual_ip
from testing.wire import dial, key, receive

CLIP: Final = os.urandom(300_001)
# More than the kernel buffers between two nodes and a client that doesn't read.
LONG: Final = 16 * 2**20


class Site:
    """Nodes a, b, c, each with a folder of its own, behind the balancer at `url`."""

    def __init__(self, folder: Path, nodes: dict[str, Node], url: str) -> None:
        self.folder = folder
        self.nodes = nodes
        self.a, self.b, self.c = nodes.values()
        self.url = url

    def put(self, node: Node, file: str, content: bytes = CLIP) -> None:
        """Copy a file into the folder of one node."""
        (self.folder / node.name / file).write_bytes(content)

    def knows(self, video: str) -> bool:
        """Whether all nodes know this video."""
        return {node.get(f"/api/videos/{video}").status_code for node in self.nodes.values()} == {
            200
        }

    def add(self, node: Node, video: str, content: bytes = CLIP) -> None:
        """Put a clip on one node, and wait until all know it."""
        self.put(node, f"{video}.webm", content)
        # Quicker than to wait for the node's next look.
        os.kill(node.pid, signal.SIGHUP)
        wait_until(lambda: self.knows(video), f"all nodes know {video}")


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        nodes = {}
        for name in "abc":
            media = folder / name
            media.mkdir()
            (media / "tide.webm").write_bytes(b"tide")
            flags = ["--media", str(media), "--data", str(folder / f"{name}-data")]
            nodes[name] = stack.enter_context(Node(name, folder, flags=flags))
        for node in nodes.values():
            node.peers = [other.url for other in nodes.values() if other is not node]
            node.spawn()
        for node in nodes.values():
            node.wait_for_log("ready: ")
        wait_until(lambda: connected(nodes.values()), "all nodes are connected")
        bind = f"{HOST}:{free_port()}"
        addresses = [f"{node.name}={HOST}:{node.port}" for node in nodes.values()]
        command, _ = balancer.choose(addresses, bind, folder)
        stack.enter_context(running(command, folder / "balancer.log"))
        site = Site(folder, nodes, f"http://{bind}")
        wait_until(lambda: answers(site.url), "the balancer answers")
        yield site


@pytest.fixture
def site(_running: Site) -> Iterator[Site]:
    """All nodes run and are connected. A test uses clips of its own."""
    yield _running
    for node in _running.nodes.values():
        if not node.running:
            node.start()
        assert "Traceback" not in node.log, node.log
    wait_until(lambda: connected(_running.nodes.values()), "all nodes are connected again")


def answers(url: str) -> bool:
    try:
        return HTTP.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_clip_on_one_node_works_everywhere_without_a_signal_or_a_restart(site: Site) -> None:
    pids = [node.pid for node in site.nodes.values()]
    (site.folder / "c/catalogue.toml").write_text('[new]\ntitle = "The new one"\n')
    site.put(site.c, "new.webp", b"poster")
    site.put(site.c, "new.webm")
    assert site.a.get("/watch/new").status_code == 404
    wait_until(lambda: site.knows("new"), "all nodes know the clip", timeout_s=15)

    headers = {"Idempotency-Key": key()}
    counted = HTTP.post(f"{site.url}/api/videos/new/views", headers=headers)
    assert counted.json() == {"video": "new", "views": 1, "counted": True}
    assert site.a.view("new") in {1, 2}
    wait_until(lambda: {node.views("new") for node in site.nodes.values()} == {2}, "all count 2")

    # Three from the balancer: each reaches another node.
    for url in [*(node.url for node in site.nodes.values()), *[site.url] * 3]:
        page = HTTP.get(f"{url}/watch/new")
        assert (page.status_code, "The new one" in page.text) == (200, True)
        assert HTTP.get(f"{url}/media/new.webm").content == CLIP
        assert HTTP.get(f"{url}/media/new.webp").content == b"poster"
        listed = HTTP.get(f"{url}/api/videos").json()["videos"]
        assert [(each["video"], each["title"]) for each in listed] == [
            ("new", "The new one"), ("tide", "tide")
        ]  # fmt: skip
        assert "/watch/new" in HTTP.get(url).text
    with dial(site.b, "/api/videos/new/live") as live:
        assert receive(live)["video"] == "new"
    assert [node.pid for node in site.nodes.values()] == pids
    assert "added 1 (new)" in site.c.log


def test_the_balancer_passes_requests_with_any_host_to_nodes_on_loopback(site: Site) -> None:
    for path in ("/", "/watch/tide", "/api/node", "/media/tide.webm"):
        assert HTTP.get(site.url + path, headers={"Host": "videos.example"}).status_code == 200
        assert site.a.get(path, {"Host": "videos.example"}).status_code == 403


def test_a_clip_of_another_node_is_served_as_ones_own(site: Site) -> None:
    site.add(site.c, "ranges")
    path = "/media/ranges.webm"
    etag = site.c.get(path).headers["etag"].encode()
    requests: list[list[tuple[bytes, bytes]]] = [
        [],
        [(b"Range", b"bytes=0-99")],
        [(b"Range", b"bytes=-7")],
        [(b"Range", b"bytes=299999-400000")],
        [(b"Range", b"bytes=300001-")],
        [(b"Range", b"bytes=1-2"), (b"Range", b"bytes=3-4")],
        [(b"Range", b"bytes=1-2"), (b"If-Range", b'"other"')],
        [(b"Range", b"bytes=1-2"), (b"If-Range", etag)],
        [(b"Range", b"bytes=\xff"), (b"If-None-Match", b'"\xff"')],
        [(b"If-None-Match", etag)],
    ]
    for headers in requests:
        for method in ("GET", "HEAD"):
            ours, theirs = (
                HTTP.request(method, node.url + path, headers=headers) for node in (site.a, site.c)
            )
            assert ours.status_code == theirs.status_code, headers
            if ours.status_code < 400:
                assert ours.content == theirs.content
            own_names = {"x-ratchet-node", "content-length" if ours.status_code == 416 else ""}
            assert {k: v for k, v in ours.headers.items() if k not in own_names} == {
                k: v for k, v in theirs.headers.items() if k not in own_names
            }
            assert ours.headers["x-ratchet-node"] == "a"


def test_a_node_that_has_just_started_knows_the_clips_of_others(site: Site) -> None:
    site.add(site.c, "before")
    site.a.restart()
    assert site.a.get("/watch/before").status_code == 200
    assert site.a.get("/media/before.webm").content == CLIP


def test_nodes_send_no_request_in_circles(site: Site) -> None:
    site.add(site.c, "circle")
    answer = site.a.get("/media/circle.webm", {"Via": f"1.1 {MARK}"})
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    # c lacks the file already, and nobody has noticed yet.
    (site.folder / "c/circle.webm").unlink()
    assert site.a.get("/media/circle.webm").status_code in {404, 503}
    assert site.c.get("/media/circle.webm").status_code == 404


def test_a_node_that_does_not_respond_is_passed_over(site: Site) -> None:
    site.add(site.c, "frozen")
    site.put(site.b, "frozen.webm")
    os.kill(site.b.pid, signal.SIGHUP)
    listed = f"{site.b.url}/api/catalogue"
    wait_until(lambda: "frozen" in HTTP.get(listed).text, "b has it, too")
    site.c.pause()
    try:
        # a may not have asked b yet. Once c counts as gone, b is the only one to ask.
        wait_until(lambda: site.a.get("/media/frozen.webm").content == CLIP, "b sends it")
    finally:
        site.c.resume()


def test_a_catalogue_that_the_asking_node_knows_is_not_sent(site: Site) -> None:
    etag = site.c.get("/api/catalogue").headers["etag"]
    answer = site.c.get("/api/catalogue", {"If-None-Match": f'"other", {etag}'})
    assert (answer.status_code, answer.headers["etag"], answer.content) == (304, etag, b"")


def test_a_clip_removed_from_one_node_comes_from_the_others(site: Site) -> None:
    site.add(site.b, "moved")
    site.add(site.c, "moved")
    (site.folder / "c/moved.webm").unlink()
    os.kill(site.c.pid, signal.SIGHUP)
    wait_until(lambda: "removed 1 (moved)" in site.c.log, "c has noticed")
    assert site.c.get("/watch/moved").status_code == 200
    assert site.c.get("/media/moved.webm").content == CLIP


def test_a_clip_removed_from_all_nodes_is_gone_and_its_count_stays(site: Site) -> None:
    site.add(site.c, "gone")
    site.a.view("gone")
    (site.folder / "c/gone.webm").unlink()
    os.kill(site.c.pid, signal.SIGHUP)
    for node in site.nodes.values():
        for path in ("/api/videos/gone", "/watch/gone", "/media/gone.webm"):
            # It is called before the loop goes on.
            wait_until(lambda: node.get(path).status_code == 404, f"{path} is gone")  # noqa: B023
        assert "gone" not in [each["video"] for each in node.get("/api/videos").json()["videos"]]
    site.add(site.b, "gone")
    assert site.c.views("gone") == 1


def test_while_the_only_node_with_a_clip_is_away_its_views_count(site: Site) -> None:
    site.add(site.c, "away", b"x" * LONG)
    with HTTP.stream("GET", f"{site.a.url}/media/away.webm") as clip:
        parts = clip.iter_raw()
        next(parts)
        site.c.kill9()
        with pytest.raises(httpx.TransportError):
            b"".join(parts)
    assert site.a.view("away") == 1
    assert site.b.get("/watch/away").status_code == 200
    answer = site.a.get("/media/away.webm")
    assert (answer.status_code, answer.json()["error"]) == (503, "clip_away")
    site.c.start()
    wait_until(lambda: site.a.get("/media/away.webm").status_code == 200, "the clip is back")


def test_clients_that_do_not_read_cost_little_and_are_few(site: Site) -> None:
    site.add(site.c, "slow", b"x" * LONG)
    request = b"GET /media/slow.webm HTTP/1.1\r\nHost: localhost\r\n\r\n"
    before = site.a.memory_kib
    with ExitStack() as stack:
        for _ in range(MOST_AT_ONCE):
            client = stack.enter_context(socket.create_connection((HOST, site.a.port), 30))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(request)
            client.recv(1)
        answer = site.a.get("/media/slow.webm")
        assert (answer.status_code, answer.json()["error"]) == (503, "busy")
        assert answer.headers["retry-after"] == "1"
        # The balancer tries the next node.
        assert len(HTTP.get(f"{site.url}/media/slow.webm").content) == LONG
        assert site.a.memory_kib < before + 32 * 1024
    wait_until(lambda: site.a.get("/media/slow.webm").status_code == 200, "there is room again")


def test_nodes_that_share_one_address_pass_clips_on(tmp_path: Path) -> None:
    """A node has dialled another one at that address. The next time, it leads to a third."""
    media = tmp_path / "media"
    media.mkdir()
    (media / "tide.webm").write_bytes(CLIP)
    with ExitStack() as stack:
        holder = stack.enter_context(Node("holder", tmp_path, flags=("--media", str(media))))
        node, other = (stack.enter_context(Node(name, tmp_path, flags=())) for name in "ab")
        other.peers = [holder.url]
        for each in (holder, other):
            each.start()
        with virtual_ip([other], first=[holder]) as shared:
            node.peers = [shared]
            node.start()
            wait_until(lambda: connected([node, other, holder]), "all are connected")
            assert node.get("/api/node").json()["peers"][0]["url"] == shared
            wait_until(lambda: node.get("/watch/tide").status_code == 200, "the video is known")
            assert node.get("/media/tide.webm").content == CLIP
