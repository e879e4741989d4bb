"""To which host names a node answers. A page that rebinds its own name to this machine reads
nothing here: see `hosts`."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator

import pytest
from ratchet_server.counting.store import Store
from ratchet_server.http.catalogue import Catalogue
from ratchet_server.http.hosts import Hosts
from ratchet_server.http.listed import Listed
from ratchet_server.node import _node
from ratchet_server.settings import MEMORY, Settings

from testing.nodes import Node
from testing.wire import raw

UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


def get(node: Node, path: str, headers: str, method: str = "GET") -> tuple[int, str]:
    """The status of the response to raw `headers`, and the code of the error."""
    close = "" if "Upgrade" in headers else "Connection: close\r\n"
    request = f"{method} {path} HTTP/1.1\r\n{headers}{close}\r\n"
    head, _, body = raw(node, request.encode()).partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return status, json.loads(body)["error"] if status >= 400 and body else ""


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node on loopback with names of its own."""
    folder = tmp_path_factory.mktemp("named")
    flags = ["--open", "--advertise", "http://Node-A.example:1234"]
    environ = {"RATCHET_ALLOWED_HOSTS": "videos.example, Intranet"}
    with Node("a", folder, data=":memory:", flags=flags, environ=environ) as node:
        yield node.start()


def paths() -> list[tuple[str, str, bool]]:
    """Method, path, and whether it is a websocket, for each route of a node."""

    async def made() -> list[tuple[str, str, bool]]:
        store = await Store.open(None)
        settings = Settings(name="a", data=MEMORY, open=True)
        app = _node(settings, Catalogue(None), Listed(None), (), (), store, "http://[::1]:1").app
        await store.close()
        return [
            (method, "/" + re.sub("<[^>]*>", "tide", route.path), bool(route.extra.websocket))
            for route in app.router.routes
            for method in sorted({*route.methods} | ({"HEAD"} if "GET" in route.methods else set()))
            if method != "HEAD" or not route.extra.websocket
        ]

    return asyncio.run(made())


class TestANodeOnLoopback:
    def test_refuses_a_foreign_host_at_every_path(self, node: Node) -> None:
        tried = paths()
        assert len(tried) > 20
        for method, path, is_websocket in [*tried, ("GET", "/nothing", False)]:
            headers = "Host: evil.example\r\n" + (UPGRADE if is_websocket else "")
            if path == "/peer":
                # Browsers name the page in each handshake, and the guard refuses browsers.
                headers += f"Origin: http://evil.example:{node.port}\r\n"
            status, error = get(node, path, headers, method)
            assert status == 403, (method, path)
            if method != "HEAD":
                assert error == ("not_for_browsers" if path == "/peer" else "other_host")

    def test_counts_no_view_for_a_foreign_host(self, node: Node) -> None:
        path = "/api/videos/rebound/views"
        assert get(node, path, "Host: evil.example\r\n", "POST") == (403, "other_host")
        assert node.views("rebound") == 0

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "evil.example:1234", "127.0.0.1.evil.example", "localhost.evil.example",
         "evillocalhost", "localhost.evil", "127.0.0.1@evil.example", "[evil.example]",
         "x:localhost", "", "127.0.0.1\r\nHost: evil.example"],
    )  # fmt: skip
    def test_refuses_other_names(self, node: Node, host: str) -> None:
        assert get(node, "/api/node", f"Host: {host}\r\n")[0] in {400, 403}

    def test_is_not_deceived_by_headers_that_a_page_can_send(self, node: Node) -> None:
        for header in (
            "X-Forwarded-For: 10.0.0.1",
            "X-Forwarded-Host: localhost",
            "Forwarded: for=x",
            "X-Real-IP: 10.0.0.1",
            "Authorization: Bearer x",
        ):
            headers = f"Host: evil.example\r\n{header}\r\n"
            assert get(node, "/metrics", headers) == (403, "other_host")

    def test_says_how_to_allow_the_name(self, node: Node) -> None:
        request = b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        answer = raw(node, request).decode()
        assert "evil.example" in answer
        assert "RATCHET_ALLOWED_HOSTS" in answer

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "127.0.0.1:1234", "127.8.8.8", "[::1]", "[::1]:80", "localhost",
         "LocalHost:99", "localhost.", "a.localhost:1", "10.1.2.3:1234", "[fd00::1]:1234"],
    )  # fmt: skip
    def test_answers_to_addresses_and_local_names(self, node: Node, host: str) -> None:
        assert get(node, "/api/node", f"Host: {host}\r\n")[0] == 200

    def test_answers_to_the_name_of_its_machine(self, node: Node) -> None:
        assert get(node, "/api/node", f"Host: {socket.gethostname()}:1\r\n")[0] == 200

    def test_answers_a_balancer_that_passes_the_sites_name_on(self, node: Node) -> None:
        headers = "Host: videos.example\r\nVia: 1.1 balancer\r\nX-Forwarded-For: 10.0.0.1\r\n"
        assert get(node, "/api/videos", headers)[0] == 200

    def test_answers_a_client_that_names_no_host(self, node: Node) -> None:
        answer = raw(node, b"GET /readyz HTTP/1.0\r\n\r\n")
        assert answer.split()[1] == b"200"

    def test_answers_to_its_own_and_its_listed_names(self, named: Node) -> None:
        for host in ("node-a.example:1234", "videos.example", "intranet:80", "localhost"):
            assert get(named, "/api/node", f"Host: {host}\r\n")[0] == 200, host
        assert get(named, "/api/node", "Host: www.videos.example\r\n") == (403, "other_host")


class TestANodeBeyondLoopback:
    """It can't know the names that its network has for it."""

    def test_answers_to_every_name(self) -> None:
        for address in ("0.0.0.0", "::", "10.0.0.1"):
            assert not Hosts((), listens_at=address).are_checked

    def test_answers_to_listed_names_only_once_there_are_any(self) -> None:
        assert Hosts(("videos.example",), listens_at="0.0.0.0").are_checked


def test_a_star_allows_every_name() -> None:
    assert not Hosts(("*",), listens_at="127.0.0.1").are_checked


def test_no_response_has_an_empty_header(node: Node) -> None:
    for path in ("/healthz", "/nothing", "/api/videos/x", "/cluster"):
        head = raw(
            node, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        lines = head.partition(b"\r\n\r\n")[0].splitlines()[1:]
        assert not [line for line in lines if not line.partition(b":")[2].strip()], lines
