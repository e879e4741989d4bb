"""The response to a view, byte by byte: the node writes it without Sanic."""

import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.metrics import value
from testing.nodes import HOST, PATIENCE_S, Node
from testing.wire import raw

LISTED = "https://example.org"
RESPONSE = re.compile(
    r"HTTP/1.1 200 OK\r\ncontent-length: (\d+)\r\nconnection: (close|keep-alive)\r\n"
    r'content-type: application/json\r\n\r\n(\{"video":"tide","views":\d+,"counted":true\})'
)


@pytest.fixture(scope="module")
def sharing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with which pages of another site count."""
    folder = tmp_path_factory.mktemp("sharing")
    environ = {"RATCHET_COUNT_ORIGINS": LISTED}
    with Node("a", folder, data=":memory:", environ=environ) as node:
        node.start()
        node.view("tide")
        yield node


def view(*headers: str, version: str = "1.1") -> bytes:
    """A request that counts a view."""
    lines = (f"POST /api/videos/tide/views HTTP/{version}", "Host: localhost", *headers)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def connections(answer: bytes) -> list[str]:
    """The `Connection` of each response. There is nothing else in `answer`."""
    text = answer.decode()
    found = [*RESPONSE.finditer(text)]
    assert "".join(one[0] for one in found) == text
    assert all(int(one[1]) == len(one[3]) for one in found)
    return [one[2] for one in found]


def test_connection_stays_until_the_client_closes_it(sharing: Node) -> None:
    answer = raw(sharing, view() + view("Content-Length: 2") + b"{}" + view("Connection: close"))
    assert connections(answer) == ["keep-alive", "keep-alive", "close"]


def test_client_of_http_1_0_gets_one_response_unless_it_asks_for_more(sharing: Node) -> None:
    assert connections(raw(sharing, view(version="1.0") + view(version="1.0"))) == ["close"]
    kept = view("Connection: keep-alive", version="1.0")
    assert connections(raw(sharing, kept + view(version="1.0"))) == ["keep-alive", "close"]


def test_client_that_waits_may_send_its_body(sharing: Node) -> None:
    headers = ("Content-Length: 2", "Expect: 100-continue", "Connection: close")
    first, _, rest = raw(sharing, view(*headers) + b"{}").partition(b"\r\n\r\n")
    assert first == b"HTTP/1.1 100 Continue"
    assert connections(rest) == ["close"]


def test_chunked_body_is_not_taken_for_a_request(sharing: Node) -> None:
    request = view("Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n"
    assert connections(raw(sharing, request + view("Connection: close"))) == ["keep-alive", "close"]


def test_page_of_a_listed_site_gets_the_same_headers_and_its_own(sharing: Node) -> None:
    answer = raw(sharing, view("Connection: close", f"Origin: {LISTED}")).decode()
    head, body = answer.split("\r\n\r\n")
    status, *lines = head.split("\r\n")
    own = [line for line in lines if line.lower().startswith(("access-control-", "vary:"))]
    assert f"Access-Control-Allow-Origin: {LISTED}".lower() in (line.lower() for line in own)
    same = [status, *(line for line in lines if line not in own)]
    assert connections("\r\n".join((*same, "", body)).encode()) == ["close"]


def test_each_is_counted_as_a_response_once(sharing: Node) -> None:
    labels = {"route": "/api/videos/{video}/views", "code": "200"}
    before = value(sharing, "ratchet_http_requests_total", **labels)
    raw(sharing, view() + view() + view("Connection: close"))
    assert value(sharing, "ratchet_http_requests_total", **labels) == (before or 0) + 3


def test_client_that_goes_before_its_response_leaves_no_error(tmp_path: Path) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        node.view("tide")
        for _ in range(50):
            with socket.create_connection((HOST, node.port), PATIENCE_S) as client:
                client.sendall(view() * 20)
                # Close it with a reset.
                linger = struct.pack("ii", 1, 0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        node.view("tide")
        assert "Traceback" not in node.log
