"""What a client can make a node write to its log: little, and nothing that isn't text."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testing.nodes import HOST, PATIENCE_S, Node, wait_until
from testing.wire import raw

# More often than a place may write within a minute.
MANY = 200
# A line or two for each kind, and the note that more are left out.
FEW_BYTES = 10_000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    media = tmp_path / "media"
    media.mkdir()
    (media / "clip.webm").write_bytes(b"clip")
    with Node("a", tmp_path, flags=["--open", "--media", str(media)]) as node:
        node.start()
        wait_until(lambda: node.slot, "the slot is open")
        yield node


def written(node: Node, work: Callable[[], object]) -> str:
    """What the node logs because of `work`."""
    before = len(node.log)
    work()
    # One more request, which comes after all that has been logged.
    assert node.get("/healthz").status_code == 200
    return node.log[before:]


def request(target: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    lines = [
        b"GET " + target + b" HTTP/1.1",
        b"Host: localhost",
        b"Connection: close",
        *headers,
        b"",
        body,
    ]
    return b"\r\n".join(lines)


class TestWhatCannotBeParsed:
    @pytest.mark.parametrize(
        "target", [b"http:///x", b"http://[/x", b"http://x:99999/healthz", b"x", b"?", b"x:443"]
    )
    def test_as_an_address_is_answered_with_400_and_not_logged(
        self, node: Node, target: bytes
    ) -> None:
        answers = []
        logged = written(node, lambda: answers.append(raw(node, request(target))))
        assert answers[0].startswith(b"HTTP/1.1 400 "), answers
        assert b'"error":"bad_request"' in answers[0]
        assert logged == ""

    def test_as_a_websocket_is_answered_with_400(self, node: Node) -> None:
        headers = [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"]
        key = b"Sec-WebSocket-Key: \xff"
        answer = raw(node, request(b"/api/videos/x/live", *headers, key))
        assert answer.startswith(b"HTTP/1.1 400 "), answer


class TestALineThatAClientProvokes:
    def test_is_written_so_many_times_and_then_counted(self, node: Node) -> None:
        body = request(b"/api/videos", b"Content-Length: 3", body=b"abc")

        def ask() -> None:
            for _ in range(MANY):
                assert raw(node, body).startswith(b"HTTP/1.1 200 ")

        logged = written(node, ask)
        assert len(logged) < FEW_BYTES
        assert "left out" in logged.splitlines()[-1]

    def test_has_no_control_characters_and_an_end(self, node: Node) -> None:
        garbage = b"\x1b[31m" + b"x" * 8000

        def ask() -> None:
            date = b"If-Modified-Since: " + garbage
            assert raw(node, request(b"/media/clip.webm", date)).startswith(b"HTTP/1.1 200 ")

        logged = written(node, ask)
        assert "\x1b" not in logged
        assert len(logged) < 1500


def refused_from(node: Node, address: str, path: str) -> None:
    """Call as an operator without the secret, from this address of the machine."""
    call = (
        f"POST /api/node/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    with socket.create_connection((HOST, node.port), PATIENCE_S, (address, 0)) as client:
        client.sendall(call)
        assert client.recv(12) == b"HTTP/1.1 401"


class TestARefusal:
    def test_is_logged_however_many_others_there_are(self, tmp_path: Path) -> None:
        environ = {"RATCHET_SECRET": "swordfish-swordfish"}
        with Node("a", tmp_path, data=":memory:", environ=environ) as node:
            node.start()

            def ask() -> None:
                for path in ("drain", "leave"):
                    for n in range(1, 255):
                        refused_from(node, f"127.0.0.{n}", path)
                refused_from(node, "127.9.9.9", "drain")

            logged = written(node, ask)
            assert "refused 127.9.9.9 at /api/node/drain" in logged
            assert len(logged) < FEW_BYTES
