"""A node responds to HEAD as to GET: with the same headers, and no body (RFC 9110, 9.3.2)."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from ratchet_server.counting.store import Store
from ratchet_server.http.catalogue import Catalogue
from ratchet_server.http.listed import Listed
from ratchet_server.node import _node
from ratchet_server.settings import MEMORY, Settings
from sanic_routing.route import Route

from testing.nodes import HTTP, Node, wait_until
from testing.wire import established, raw

# A path for each route that allows GET. A test below compares them with the routes of a node.
PATHS = {
    "/": "/",
    "/watch/<video:str>": "/watch/tide",
    "/learn": "/learn",
    "/embed": "/embed?video=tide",
    "/cluster": "/cluster",
    "/view-count.js": "/view-count.js",
    "/count.js": "/count.js",
    "/pyodide/<name:str>": "/pyodide/pyodide-lock.json",
    "/media/<name:str>": "/media/tide.webm",
    "/assets/<build:str>/<name:path>": "/assets/one/large.js",
    "/api/videos": "/api/videos",
    "/api/videos/<video:str>": "/api/videos/tide",
    "/api/videos/<video:str>/snapshot": "/api/videos/tide/snapshot",
    "/api/videos/<video:str>/views.svg": "/api/videos/tide/views.svg",
    "/api/videos/<video:str>/events": "/api/videos/tide/events",
    "/api/changes": "/api/changes",
    "/api/node": "/api/node",
    "/api/cluster": "/api/cluster",
    "/api/videos/<video:str>/days": "/api/videos/tide/days",
    "/api/catalogue": "/api/catalogue",
    "/healthz": "/healthz",
    "/readyz": "/readyz",
    "/metrics": "/metrics",
    "/openapi.json": "/openapi.json",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has something at each path."""
    folder = tmp_path_factory.mktemp("shop")
    media, page = folder / "media", folder / "page"
    media.mkdir()
    (media / "tide.webm").write_bytes(b"clip" * 50_000)
    (page / "assets/embed").mkdir(parents=True)
    (page / "assets/large.js").write_text("//" * 50_000)
    (page / "assets/embed/view-count.js").write_text("// script")
    (page / "assets/count.js").write_text("// script")
    (page / "pyodide").mkdir()
    (page / "pyodide/pyodide-lock.json").write_text("{}")
    for name in ("index", "watch", "learn", "embed", "cluster"):
        (page / f"{name}.html").write_text("{{ assets }}")
    (page / "build.json").write_text(json.dumps({"build": "one"}))
    environ = {"RATCHET_PAGE": str(page)}
    flags = ["--media", str(media)]
    with Node("shop", folder, data=":memory:", flags=flags, environ=environ) as node:
        yield node.start()


def test_every_route_is_tried() -> None:
    async def routes() -> list[Route]:
        store = await Store.open(None)
        settings = Settings(name="a", data=MEMORY)
        app = _node(settings, Catalogue(None), Listed(None), (), (), store, "http://x:1").app
        await store.close()
        return [*app.router.routes]

    # HEAD on a websocket's path means nothing: a handshake is a GET.
    tried = {f"/{route.path}" for route in asyncio.run(routes()) if readable(route)}
    assert tried == {*PATHS}


def readable(route: Route) -> bool:
    return "GET" in route.methods and not route.extra.websocket


@pytest.mark.parametrize("path", PATHS.values())
def test_head_has_the_headers_of_get_and_no_body(shop: Node, path: str) -> None:
    with HTTP.stream("GET", shop.url + path) as get:
        assert get.status_code == 200
    request = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
    # Send a second request on the connection: if the first had a body, it would come before the
    # second response.
    second = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    head, _, rest = raw(shop, f"{request}\r\n{second}".encode()).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    assert status == "HTTP/1.1 200 OK"
    headers = httpx.Headers(dict(line.split(": ", 1) for line in lines))
    assert same(headers) == same(get.headers)
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")


def same(headers: httpx.Headers) -> dict[str, str]:
    """The headers without those of the connection. Also without the length, if the content changes
    with each request."""
    changes = "version" in headers["content-type"] or headers["content-type"] == "application/json"
    varies = {"connection", "content-length"} if changes else {"connection"}
    return {name: value for name, value in headers.items() if name not in varies}


@pytest.mark.parametrize("path", ["/no/such", "/media/no.webm", "/api/videos/no", "/watch/no"])
def test_head_of_nothing_is_refused_as_get_is(shop: Node, path: str) -> None:
    answer = HTTP.head(shop.url + path)
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["content-length"] == shop.get(path).headers["content-length"]


def test_head_of_an_event_stream_watches_nothing(shop: Node) -> None:
    before = established(shop)
    for _ in range(10):
        assert HTTP.head(f"{shop.url}/api/videos/tide/events").status_code == 200
    wait_until(lambda: established(shop) <= before, "the connections have ended")
    assert "\nratchet_watchers 0.0\n" in shop.get("/metrics").text


def test_head_opens_no_websocket(shop: Node) -> None:
    request = (
        b"HEAD /api/videos/tide/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert raw(shop, request).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/videos", {"GET", "HEAD"}),
        ("DELETE", "/media/tide.webm", {"GET", "HEAD"}),
        ("POST", "/api/videos/tide/live", {"GET"}),
        ("HEAD", "/api/videos/tide/views", {"POST", "OPTIONS"}),
        ("HEAD", "/api/node/drain", {"POST"}),
    ],
)
def test_allow_names_head_where_it_is_allowed(
    shop: Node, method: str, path: str, allowed: set[str]
) -> None:
    answer = HTTP.request(method, shop.url + path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
