"""Clients that read large files: however many, slow or idle they are, the node's memory stays
small. A client that reads gets the whole file."""

import json
import os
import resource
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from ratchet_server.http.backlog import MAX_WAITING
from ratchet_server.http.bounded_protocol import PATIENT, PROMPT
from ratchet_server.http.reads import MAX_BEHIND
from ratchet_server.http.room import OWN_FILES
from ratchet_server.http.sending import PIECE
from ratchet_server.open_files import MOST

from testing.nodes import HOST, PATIENCE_S, Node, wait_until
from testing.wire import raw

READERS = 300
# How much memory so many readers may cost.
MEMORY_KIB = 32 * 1024
# The files are sparse, so they take no room on the disk.
CLIP_BYTES = 2**30
ASSET_BYTES = 10 * 2**20


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("shop")
    media, page = folder / "media", folder / "page"
    media.mkdir()
    (page / "assets").mkdir(parents=True)
    for file, size in (
        (media / "long.webm", CLIP_BYTES),
        (page / "assets/engine.wasm", ASSET_BYTES),
    ):
        with file.open("wb") as large:
            large.truncate(size)
    (media / "short.webm").write_bytes(os.urandom(2**23))
    (page / "build.json").write_text(json.dumps({"build": "one"}))
    environ = {"RATCHET_PAGE": str(page)}
    flags = ["--media", str(media), "--open"]
    with Node("shop", folder, data=":memory:", flags=flags, environ=environ) as node:
        yield node.start()


def reader(node: Node, path: str, buffer: int = 4096) -> socket.socket:
    """A connection that has sent a request. `buffer`: how much its kernel receives in advance."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(PATIENCE_S)
    client.connect((HOST, node.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return client


def healthy_s(node: Node) -> float:
    started = time.monotonic()
    assert node.get("/healthz").status_code == 200
    return time.monotonic() - started


class TestManyThatNeverRead:
    @pytest.mark.parametrize("path", ["/media/long.webm", "/assets/one/engine.wasm"])
    def test_fill_no_memory_and_delay_nobody(self, shop: Node, path: str) -> None:
        before = shop.memory_kib
        most_kib, delays_s = 0, []
        with ExitStack() as stack:
            clients = [stack.enter_context(reader(shop, path)) for _ in range(READERS)]
            for client in clients:
                # The response has begun.
                assert select.select([client], [], [], PATIENCE_S)[0]
                most_kib = max(most_kib, shop.memory_kib)
            for _ in range(20):
                delays_s.append(healthy_s(shop))
                most_kib = max(most_kib, shop.memory_kib)
        assert most_kib < before + MEMORY_KIB
        # Compare the median: a single check may be late when the machine is busy.
        assert sorted(delays_s)[len(delays_s) // 2] < 0.1

    def test_that_request_parts_fill_no_memory_either(self, shop: Node) -> None:
        before = shop.memory_kib
        with ExitStack() as stack:
            for _ in range(20):
                client = stack.enter_context(closing(socket.create_connection((HOST, shop.port))))
                client.sendall(
                    b"GET /media/long.webm HTTP/1.1\r\nHost: localhost\r\nRange: bytes=1-\r\n\r\n"
                )
                assert select.select([client], [], [], PATIENCE_S)[0]
            assert shop.memory_kib < before + MEMORY_KIB

    def test_may_send_head_for_which_the_node_reads_nothing(self, shop: Node) -> None:
        before = shop.memory_kib
        request = b"HEAD /media/long.webm HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert f"content-length: {CLIP_BYTES}\r\n".encode() in raw(shop, request).lower()
        assert shop.memory_kib < before + MEMORY_KIB // 8


def test_a_node_raises_its_limit_of_open_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Node("a", tmp_path, data=":memory:") as node:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            node.spawn()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        node.wait_for_log("ready: ")
        granted, _ = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
    assert granted == min(MOST, hard)


def test_the_page_for_operators_states_the_bounds() -> None:
    limits = (
        (Path(__file__).parents[3] / "OPERATING.md").read_text().partition("\n## Slow clients\n")[2]
    )
    for bound in (
        f"| {MAX_WAITING >> 20} MiB |",
        f"| {PIECE >> 10} KiB |",
        f"| {MAX_BEHIND >> 10} KiB |",
        f"| {PROMPT.within_s:.0f} s |",
        f"| {PATIENT.at_least >> 10} KiB in {PATIENT.within_s / 60:.0f} minutes |",
        f"| {MOST - OWN_FILES:,}, or what the system grants |",
    ):
        assert bound in limits


class TestAReader:
    def test_that_pauses_for_longer_than_other_clients_may_gets_the_whole_file(
        self, shop: Node
    ) -> None:
        """A viewer pauses, or a proxy in between reads in large steps."""
        with closing(reader(shop, "/media/short.webm")) as client:
            received = len(client.recv(1000))
            threading.Event().wait(5)
            while part := client.recv(65_536):
                received += len(part)
        assert received > 2**23

    def test_that_goes_away_leaves_no_open_file_behind(self, shop: Node) -> None:
        def open_files() -> int:
            return len([*Path(f"/proc/{shop.pid}/fd").iterdir()])

        before = open_files()
        clients = [reader(shop, "/media/long.webm") for _ in range(20)]
        for client in clients:
            assert client.recv(1000)
        for client in clients:
            client.close()
        wait_until(lambda: open_files() <= before, "connections and files are closed")


class TestAFileThatChanges:
    def test_breaks_the_response_off_instead_of_mixing_old_and_new(self, tmp_path: Path) -> None:
        media = tmp_path / "media"
        media.mkdir()
        (media / "tide.webm").write_bytes(b"a" * 2**24)
        with Node("a", tmp_path, data=":memory:", flags=["--media", str(media)]) as node:
            node.start()
            with closing(reader(node, "/media/tide.webm")) as client:
                answer = client.recv(65_536)
                (tmp_path / "new").write_bytes(b"b" * 2**24)
                (tmp_path / "new").rename(media / "tide.webm")
                try:
                    while part := client.recv(65_536):
                        answer += part
                except ConnectionResetError:
                    pass
            body = answer.partition(b"\r\n\r\n")[2]
            assert len(body) < 2**24
            assert set(body) == set(b"a")
            assert "/media/tide.webm" in node.log
            assert "Traceback" not in node.log
            assert node.get("/media/tide.webm").content == b"b" * 2**24

    def test_or_is_deleted_gets_404_at_the_next_request(self, tmp_path: Path) -> None:
        media = tmp_path / "media"
        media.mkdir()
        (media / "tide.webm").write_bytes(b"a")
        with Node("a", tmp_path, data=":memory:", flags=["--media", str(media)]) as node:
            node.start()
            (media / "tide.webm").unlink()
            answer = node.get("/media/tide.webm")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
