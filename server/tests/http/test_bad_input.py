"""Bad input of every kind: the node refuses it with a clear reason, and nothing changes."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from testing.nodes import HTTP, PATIENCE_S, Node, wait_until
from testing.wire import (
    PROCESS,
    dial,
    digest,
    hello,
    how_it_closed,
    key,
    raw,
    receive,
    receive_kind,
    rows,
    want,
)

MAX = 2**53 - 1
TOO_LATE = time.time_ns() // 1000 + 30 * 3600 * 1_000_000
OWN = "<the node's own slot>"


@pytest.fixture(autouse=True)
def _nothing_changes(node: Node) -> Iterator[None]:
    """After each test here, the counts are what they were, and the node is still running."""
    pid, before, logged = node.pid, node.digest, len(node.log)
    yield
    assert node.running
    assert node.pid == pid
    assert node.digest == before
    assert "Traceback" not in node.log[logged:]


def assert_error(answer: httpx.Response, status: int, code: str) -> None:
    """Check that `answer` is an error response of the contract's form."""
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
    assert set(answer.json()) == {"error", "message"}
    assert answer.json()["message"]
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-ratchet-node"] == "a"


# -- HTTP --------------------------------------------------------------------------------------

IDS = ["a" * 65, "a.b", "a b", "a%20b", "%C3%A4", "%FF", "a%00", "a%0A", "%2e%2e", "a%2Fb",
       "$", "a@1", "<script>", "'; DROP TABLE rows; --", "%25", "a" * 4000]  # fmt: skip

KEYS = ["", "x", "0", "1" * 32, "{%s}", "urn:uuid:%s", "%s0", "%s\t0", "%s, %s", "null",
        "gggggggg-gggg-gggg-gggg-gggggggggggg", "x" * 4000, "\u00e4"]  # fmt: skip

QUERIES = ["limit=0", "limit=-1", "limit=1001", "limit=1e3", "limit=ten", "limit=1.0", "limit=%31x",
           "limit=99999999999999999999", "limit=0000010000", "limit=%D9%A1", "limit=+5",
           "limit=0x10", "limit=NaN", "limit=true"]  # fmt: skip

PATHS = ["/nothing", "/api", "/api/", "/api/videos/x/y", "/api/videos/x/views/1", "/watch",
         "/assets", "/assets/x", "/assets/x/y", "/assets/../../store.py", "/media/x.webm",
         "/pyodide", "/pyodide/", "/pyodide/x.whl", "/pyodide/..%2fbuild.json",
         "/assets/%2e%2e/%2e%2e/node.py", "/..%2f..%2fetc/passwd", "/%00", "/%FF",
         "/index.html", "/.env", "/" + "x" * 4000]  # fmt: skip

METHODS = [("PUT", "/api/videos/x/views"), ("GET", "/api/videos/x/views"), ("POST", "/api/videos"),
           ("DELETE", "/api/videos/x"), ("PATCH", "/api/node"), ("POST", "/api/videos/x/live"),
           ("GET", "/api/node/drain"), ("OPTIONS", "/api/videos/x"), ("POST", "/healthz"),
           ("POST", "/")]  # fmt: skip


BODIES = [b"", b"{", b"[]", b"null", b"{}", b'{"node": 1}', b'{"node": null}', b'{"node": NaN}',
          b'{"node": ""}', b'{"node": "B"}', b'{"node": "b@1"}', b'{"node": "b\\u0000"}',
          b'{"node": "b", "node": "c"}', b'{"node": "b", "force": true}',
          b'{"node": "b", "check": 1}', b'{"node": "b", "check": null}',
          b'{"node": "b", "check": "yes"}', b'{"nodes": ["b"]}', b'{"node": ["b"]}',
          b'{"node": "' + b"b" * 64 + b'"}', b'{"node": "' + b"b" * 30_000 + b'"}',
          b"\xff\x00", b"[" * 30_000]  # fmt: skip


class TestHttp:
    @pytest.mark.parametrize("video", IDS)
    @pytest.mark.parametrize(
        ("method", "rest"),
        [("POST", "/views"), ("GET", ""), ("GET", "/snapshot"), ("GET", "/events"),
         ("GET", "/views.svg")],
    )  # fmt: skip
    def test_bad_video_ids_are_refused(
        self, http: httpx.Client, method: str, rest: str, video: str
    ) -> None:
        assert_error(http.request(method, f"/api/videos/{video}{rest}"), 400, "bad_video")

    @pytest.mark.parametrize("form", KEYS)
    def test_bad_keys_are_refused(self, http: httpx.Client, form: str) -> None:
        headers = {b"Idempotency-Key": form.replace("%s", key()).encode()}
        assert_error(http.post("/api/videos/x/views", headers=headers), 400, "bad_key")

    @pytest.mark.parametrize("ack", ["none", "DISK", "disk ", "0", "disk,memory", "%00"])
    def test_bad_acks_are_refused(self, http: httpx.Client, ack: str) -> None:
        assert_error(http.post(f"/api/videos/x/views?ack={ack}"), 400, "bad_ack")

    @pytest.mark.parametrize("query", QUERIES)
    def test_bad_limits_are_refused(self, http: httpx.Client, query: str) -> None:
        assert_error(http.get(f"/api/videos?{query}"), 400, "bad_limit")

    @pytest.mark.parametrize("after", ["a.b", "%00", "a%20b", "x" * 65])
    def test_a_bad_after_is_refused(self, http: httpx.Client, after: str) -> None:
        assert_error(http.get(f"/api/videos?after={after}"), 400, "bad_after")

    @pytest.mark.parametrize("path", PATHS)
    def test_unknown_paths_are_not_found(self, http: httpx.Client, path: str) -> None:
        assert_error(http.get(path), 404, "not_found")

    @pytest.mark.parametrize(("method", "path"), METHODS)
    def test_other_methods_are_not_allowed(
        self, http: httpx.Client, method: str, path: str
    ) -> None:
        answer = http.request(method, path)
        assert_error(answer, 405, "method_not_allowed")
        assert method not in answer.headers["allow"]

    @pytest.mark.parametrize("body", BODIES)
    def test_bad_bodies_are_refused(self, http: httpx.Client, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        before = http.get("/api/node").json()
        assert_error(
            http.post("/api/cluster/retire", content=body, headers=headers), 400, "bad_retire"
        )
        assert http.get("/api/node").json() == before

    @pytest.mark.parametrize("body", BODIES)
    def test_a_call_without_a_body_ignores_bad_bodies(
        self, http: httpx.Client, body: bytes
    ) -> None:
        assert_error(http.post("/api/videos/x.y/views", content=body), 400, "bad_video")

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_of_10_mb_is_refused(self, node: Node, chunked: bool) -> None:
        body = b"x" * 10_000_000
        content = iter([body[:1_000_000]] * 10) if chunked else body
        # Some clients don't read the response while they still write. They only see that the node
        # closes the connection, which is a refusal, too.
        try:
            answer = HTTP.post(f"{node.url}/api/videos/x/views", content=content)
        except httpx.TransportError:
            return
        assert_error(answer, 413, "too_large")

    def test_a_body_that_never_arrives_times_out(self, node: Node) -> None:
        answer = raw(
            node,
            b"POST /api/videos/x/views HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 10\r\n\r\nabc",
        )
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "request_timeout"

    def test_headers_of_100_kb_are_refused(self, node: Node) -> None:
        answer = raw(
            node, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"
        )
        assert int(answer.split(b" ")[1]) in {413, 431}

    @pytest.mark.parametrize(
        "request_",
        [b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
         b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
         b"GET /\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
         b"POST /api/videos/x/views HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
         b"POST /api/videos/x/views HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1e3\r\n\r\n",
         b"POST /api/videos/x/views HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"zz\r\n\r\n"],
    )  # fmt: skip
    def test_bytes_that_are_no_request_are_refused(self, node: Node, request_: bytes) -> None:
        answer = raw(node, request_)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert 400 <= int(head.split(b" ")[1]) < 500, answer
        assert set(json.loads(body)) == {"error", "message"}
        assert b"X-Ratchet-Node: a" in head or b"x-ratchet-node: a" in head

    def test_a_websocket_call_without_an_upgrade_is_refused(self, http: httpx.Client) -> None:
        for headers in ({}, {"Upgrade": "websocket"}, {"Upgrade": "h2c", "Connection": "upgrade"}):
            answer = http.get("/api/videos/x/live", headers=headers)
            assert_error(answer, 426, "upgrade_required")


# -- allowed callers ---------------------------------------------------------------------------

OPERATORS = ["/api/node/drain", "/api/node/leave", "/api/cluster/retire"]
BEHIND_A_BALANCER = [{"X-Forwarded-For": "203.0.113.5"}, {"Forwarded": "for=203.0.113.5"},
                     {"Via": "1.1 proxy"}, {"X-Forwarded-For": ""}]  # fmt: skip


class TestWithoutASecret:
    """The node serves peers and operators on its own machine only."""

    @pytest.mark.parametrize("headers", BEHIND_A_BALANCER)
    @pytest.mark.parametrize("path", OPERATORS)
    def test_operators_behind_a_balancer_are_refused(
        self, http: httpx.Client, path: str, headers: dict[str, str]
    ) -> None:
        assert_error(http.post(path, headers=headers), 403, "loopback_only")

    @pytest.mark.parametrize("path", OPERATORS)
    def test_browsers_are_refused(self, http: httpx.Client, path: str) -> None:
        headers = {"Origin": str(http.base_url)}
        assert_error(http.post(path, headers=headers), 403, "not_for_browsers")

    @pytest.mark.parametrize("headers", [*BEHIND_A_BALANCER, {"Origin": "http://x"}])
    def test_peers_behind_a_balancer_are_refused(self, node: Node, headers: dict[str, str]) -> None:
        with pytest.raises(InvalidStatus) as refused, dial(node, "/peer", headers=headers):
            pass
        assert refused.value.response.status_code == 403


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with the secret swordfish."""
    folder = tmp_path_factory.mktemp("guarded")
    with Node("g", folder, data=":memory:", environ={"RATCHET_SECRET": "swordfish"}) as node:
        yield node.start()


class TestWithASecret:
    @pytest.mark.parametrize(
        "given",
        [b"", b"swordfish", b"Bearer", b"Bearer sword", b"Bearer swordfishes", b"Basic swordfish",
         b"Bearer Swordfish", "Bearer swördfish".encode(), b"Bearer \xff"],
    )  # fmt: skip
    def test_nobody_gets_in_without_it(self, guarded: Node, given: bytes) -> None:
        headers = {b"Authorization": given} if given else {}
        for path in OPERATORS:
            answer = HTTP.post(guarded.url + path, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        answer = HTTP.get(f"{guarded.url}/peer", headers=headers)
        assert answer.status_code == 401

    def test_with_it_a_caller_may_come_from_anywhere(self, guarded: Node) -> None:
        headers = {"Authorization": "Bearer swordfish", "X-Forwarded-For": "203.0.113.5"}
        answer = HTTP.post(f"{guarded.url}/api/cluster/retire", json={"node": "b"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown_node")
        with dial(guarded, "/peer", headers=headers) as peer:
            assert receive(peer)["is"] == "hello"

    def test_a_browser_is_refused_even_with_it(self, guarded: Node) -> None:
        headers = {"Authorization": "Bearer swordfish", "Origin": guarded.url}
        for path in OPERATORS:
            assert guarded.post(path, headers).status_code == 403


class TestWebsocketsFromOtherPages:
    @pytest.mark.parametrize(
        "origin", ["http://example.com", "null", "", "http://127.0.0.1:1", "http://127.0.0.1",
                   "http://[", "x", "http://{host}.example.com", "http://x@{host}x"],
    )  # fmt: skip
    def test_are_refused(self, node: Node, origin: str) -> None:
        headers = {"Origin": origin.replace("{host}", f"127.0.0.1:{node.port}")}
        with (
            pytest.raises(InvalidStatus) as refused,
            dial(node, "/api/videos/x/live", headers=headers),
        ):
            pass
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body or b"")["error"] == "other_origin"

    def test_pages_of_this_site_are_served(self, node: Node) -> None:
        with dial(node, "/api/videos/x/live", origin=node.url) as live:
            assert receive(live)["video"] == "x"


# -- peers -------------------------------------------------------------------------------------

HELLO = hello()

NINES = "9" * 10_000 + ", 1]"

# What a peer sends, and a part of the reason with which the node closes the connection.
FRAMES: dict[str, tuple[list[str | bytes], str]] = {
    "text that is not JSON": (["x"], "not JSON"),
    "an empty message": ([""], "not JSON"),
    "an array": (["[]"], "object was expected"),
    "a frame without a name": (["{}"], "no frame is called"),
    "frames before hello": ([digest()], "begins with hello"),
    "rows before hello": ([rows("x@1", 0, 1, ["v", 1, 1])], "begins with hello"),
    "bytes for hello": ([HELLO.encode()], "frames are text"),
    "an unknown version": ([hello(version=99)], "version"),
    "no version": ([hello(version=None)], "a whole number"),
    "true for a version": ([hello(version=True)], "a whole number"),
    "1.0 for a version": ([hello(version=1.0)], "whole numbers only"),
    "a bad name": ([hello("Ä")], "node name"),
    "a bad process": ([hello(process="1")], "16 hex digits"),
    "bytes": ([HELLO, b"\x00"], "frames are text"),
    "an unknown frame": ([HELLO, '{"is": "drop"}'], "no frame is called"),
    "rows with more fields": (
        [HELLO, rows("x@1", 0, 1, ["v", 1, 1]).replace("{", '{"y": 1, ', 1)],
        "object with",
    ),
    "a negative count": ([HELLO, rows("x@1", 0, 1, ["v", -1, 1])], "a count is"),
    "a float": ([HELLO, rows("x@1", 0, 1, ["v", 1.5, 1])], "whole numbers only"),
    "1e400": ([HELLO, rows("x@1", 0, 1, ["v", 1, 1]).replace("1, 1]", "1e400, 1]")],
              "whole numbers only"),
    "NaN": ([HELLO, rows("x@1", 0, 1, ["v", float("nan"), 1])], "whole numbers only"),
    "2**53": ([HELLO, rows("x@1", 0, 1, ["v", 2**53, 1])], "a count is"),
    "10,000 digits": ([HELLO, rows("x@1", 0, 1, ["v", 1, 1]).replace("1, 1]", NINES)],
                      "sent an invalid frame"),
    "true for a count": ([HELLO, rows("x@1", 0, 1, ["v", True, 1])], "a count is"),
    "text for a count": ([HELLO, rows("x@1", 0, 1, ["v", "1", 1])], "a count is"),
    "a bad video": ([HELLO, rows("x@1", 0, 1, ["v w", 1, 1])], "video id"),
    "a bad slot": ([HELLO, rows("x", 0, 1, ["v", 1, 1])], "node@generation"),
    "a slot with zeros before": ([HELLO, rows("x@01", 0, 1, ["v", 1, 1])], "node@generation"),
    "a slot beyond 2**53": ([HELLO, rows(f"x@{2**53}", 0, 1)], "a count is"),
    "rows out of order": (
        [HELLO, rows("x@1", 0, 3, ["v", 1, 2], ["w", 1, 1])],
        "out of order",
    ),
    "rows twice": ([HELLO, rows("x@1", 0, 3, ["v", 1, 1], ["v", 2, 1])], "out of order"),
    "rows below their start": ([HELLO, rows("x@1", 5, 9, ["v", 1, 5])], "out of order"),
    "no rows, and more to follow": ([HELLO, rows("x@1", 0, 1, more=True)], "more follow"),
    "1 for true": ([HELLO, rows("x@1", 0, 1, ["v", 1, 1], more=1)], "true or false"),
    "a row of two": ([HELLO, rows("x@1", 0, 1, ["v", 1])], "3 parts"),
    "1,001 rows": (
        [HELLO, rows("x@1", 0, 2000, *(["v", n, n] for n in range(1, 1002)))],
        "more than 1000",
    ),
    "a key twice": ([HELLO, want("x@1", 1).replace("{", '{"above": 2, ')], "twice"),
    "deep nesting": ([HELLO, "[" * 100_000 + "]" * 100_000], "sent an invalid frame"),
    "deep nesting in a frame": (
        [HELLO, '{"is": "rows", "rows": ' + "[" * 100_000 + "]" * 100_000 + "}"],
        "sent an invalid frame",
    ),
    "lone surrogates": ([HELLO, rows("x@1", 0, 1, ["\ud800", 1, 1])], "video id"),
    "a negative extent": ([HELLO, digest({"x@1": [-1, None]})], "a count is"),
    "an extent of three": ([HELLO, digest({"x@1": [1, None, 1]})], "2 parts"),
    "a bad fingerprint": ([HELLO, digest({"x@1": [1, "0"]})], "16 hex digits"),
    "a bad generation": ([HELLO, digest(heard={"x": 2**53})], "a count is"),
    "a generation of the far future": (
        [HELLO, digest(heard={"x": 2**53 - 1})],
        "before the year 2255",
    ),
    "a generation of the day after tomorrow": (
        [HELLO, digest(heard={"x": TOO_LATE})],
        "hours ahead: its clock or ours is wrong. See OPERATING.md",
    ),
    "a slot of the day after tomorrow": (
        [HELLO, rows(f"x@{TOO_LATE}", 0, 1, ["v", 1, 1])],
        "hours ahead",
    ),
    "more views than a slot can have": (
        [HELLO, rows("x@1", 0, 1, ["v", MAX, 1])],
        "x@1 can't have 9007199254740991 views of v yet",
    ),
    "more changes than a slot can have": (
        [HELLO, rows("x@1", 0, MAX, ["v", 1, 1])],
        "x@1 can't have 9007199254740991 changes yet",
    ),
    "a fold of an open slot": (
        [HELLO, digest(heard={"x": 5}, closed={"x": 4}, folded={"x": 5})],
        "only closed slots are folded, not x@5",
    ),
    "a fold of a name with no closed slot": (
        [HELLO, digest(heard={"x": 5}, folded={"x": 5})],
        "only closed slots are folded, not x@5",
    ),
    "a closing of an unknown slot": (
        [HELLO, digest(heard={"x": 4}, closed={"x": 5})],
        "only known slots are closed, not x@5",
    ),
    "a closing of an unknown name": (
        [HELLO, digest(closed={"x": 0})],
        "only known slots are closed, not x@0",
    ),
    "a fold of a bad name": ([HELLO, digest(folded={"X": 0})], "node name"),
    "half a lifted view": ([HELLO, digest(lifted={"x": 0.5})], "whole numbers only"),
    "-1 lifted views": ([HELLO, digest(lifted={"x": -1})], "a count is"),
    "an alive process with a bad id": (
        [HELLO, digest(alive={"x": ["x", 1, ""]})],
        "16 hex digits",
    ),
    "an alive process with a bad name": (
        [HELLO, digest(alive={PROCESS: ["X", 1, ""]})],
        "node name",
    ),
    "an alive process with a bad url": (
        [HELLO, digest(alive={PROCESS: ["x", 1, "file:///etc"]})],
        "a url is",
    ),
    "an alive process in two parts": ([HELLO, digest(alive={PROCESS: ["x", 1]})], "3 parts"),
    "a bad slot in a digest": ([HELLO, digest(slot="x")], "node@generation"),
    "a have of half a row": ([HELLO, '{"is": "have", "slot": "x@1", "upto": 0.5}'], "whole numb"),
    "a have of a bad slot": ([HELLO, '{"is": "have", "slot": "x", "upto": 1}'], "node@generation"),
    "a tell that is no boolean": (
        [HELLO, rows("x@1", 0, 1, ["v", 1, 1]).replace('"tell": false', '"tell": 0')],
        "true or false",
    ),
}  # fmt: skip


def known(node: Node) -> dict[str, object]:
    """The generations that the node knows."""
    state = node.get("/api/node").json()
    return {field: state[field] for field in ("generation", "known", "closed", "folded")}


def names(node: Node) -> list[str]:
    """The names that the node knows."""
    return [*node.get("/api/node").json()["known"]]


class TestPeers:
    @pytest.mark.parametrize("name", FRAMES)
    def test_a_bad_frame_closes_its_connection_with_the_reason(self, node: Node, name: str) -> None:
        frames, reason = FRAMES[name]
        # A hello is no garbage: it makes its name known.
        with dial(node, "/peer") as peer:
            peer.send(HELLO)
            wait_until(lambda: "x" in names(node), "x is known")
        before = known(node)
        with dial(node, "/peer") as peer:
            for frame in frames:
                peer.send(frame)
            closed = how_it_closed(peer)
        assert known(node) == before
        assert closed.code == 1008
        assert reason in closed.reason
        assert closed.reason in node.log

    @pytest.mark.parametrize("first", [[], [HELLO]])
    @pytest.mark.parametrize("message", ["x" * 10_000_000, ["x" * 100_000] * 100])
    def test_a_message_of_10_mb_closes_its_connection(
        self, node: Node, first: list[str], message: str | list[str]
    ) -> None:
        # The node may close the connection before everything is sent. Its close frame may then be
        # lost.
        with dial(node, "/peer") as peer:
            for frame in first:
                peer.send(frame)
            with suppress(ConnectionClosed):
                peer.send(message)
            with pytest.raises(ConnectionClosed) as closed:
                [peer.recv(PATIENCE_S) for _ in range(100)]
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009

    def test_rows_that_would_raise_the_nodes_own_slot_are_ignored(self, node: Node) -> None:
        slot = str(node.slot)
        with dial(node, "/peer") as peer:
            peer.send(HELLO)
            peer.send(rows(slot, 0, 10_000, ["own", 10_000, 10_000]))
            wait_until(lambda: node.slot != slot, "the node counts in another slot")
        # Another process claims to have counted in the node's slot, so the node opens a new one.
        assert node.views("own") == 0
        snapshot = node.get("/api/videos/own/snapshot").json()
        assert snapshot["slots"] == {}

    def test_rows_after_a_gap_are_ignored_and_requested_from_the_start(self, node: Node) -> None:
        with dial(node, "/peer") as peer:
            peer.send(HELLO)
            peer.send(rows("gap@1", 5, 6, ["gap", 1, 6]))
            frame = receive_kind(peer, "want")
        assert frame.pop("number") > 0
        assert frame == {"is": "want", "slot": "gap@1", "above": 0}
        assert node.views("gap") == 0

    def test_a_second_hello_and_requests_for_nothing_are_harmless(self, node: Node) -> None:
        with dial(node, "/peer") as peer:
            for frame in (
                HELLO,
                HELLO,
                want("nobody@1", MAX),
                '{"is": "want-base", "start": 9007199254740991}',
            ):
                peer.send(frame)
            assert receive_kind(peer, "base")["rows"] == []

    def test_a_peer_that_sends_nothing_is_disconnected(self, node: Node) -> None:
        with dial(node, "/peer") as peer:
            closed = how_it_closed(peer)
        assert "sent nothing for 6 s" in closed.reason
        assert PROCESS not in node.log


# -- the command -------------------------------------------------------------------------------


Refused = Callable[..., str]

FLAGS = [
    ([], "--name"),
    (["--name", ""], "--name"),
    (["--name", "A"], "--name"),
    (["--name", "a" * 64], "--name"),
    (["--name", "a", "--port", "x"], "--port"),
    (["--name", "a", "--port", "-1"], "--port"),
    (["--name", "a", "--port", "65536"], "--port"),
    (["--name", "a", "--host", "no such host"], "no such host"),
    (["--name", "a", "--host", "203.0.113.1"], "203.0.113.1"),
    (["--name", "a", "--peer", "localhost:1234"], "http://host:port"),
    (["--name", "a", "--peer", "http://localhost"], "http://host:port"),
    (["--name", "a", "--peer", "http://localhost:99999"], "http://host:port"),
    (["--name", "a", "--peer", "http://localhost:1/x"], "http://host:port"),
    (["--name", "a", "--peer", "ftp://localhost:1"], "http://host:port"),
    (["--name", "a", "--peer", ""], "http://host:port"),
    (["--name", "a", "--advertise", "http://b\u00fccher:80"], "http://host:port"),
    (["--name", "a", "--advertise", "http://a b:80"], "http://host:port"),
    (["--name", "a", "--media", "/no/such/folder"], "/no/such/folder"),
    (["--name", "a", "--secret-file", "/no/such/file"], "/no/such/file"),
    (["--name", "a", "--secret-file", "/dev/null"], "/dev/null"),
    (["--name", "a", "--no-such-flag"], "--no-such-flag"),
]

ENVIRON = [
    ({"RATCHET_PORT": "x"}, "--port"),
    ({"RATCHET_PEER": "http://a:1,b"}, "http://host:port"),
    ({"RATCHET_KEY_LIFETIME": "soon"}, "RATCHET_KEY_LIFETIME"),
    ({"RATCHET_KEY_LIFETIME": "-1"}, "RATCHET_KEY_LIFETIME"),
    ({"RATCHET_KEY_LIFETIME": "9" * 5000}, "RATCHET_KEY_LIFETIME"),
    ({"RATCHET_JOIN_TIMEOUT": "1.5"}, "RATCHET_JOIN_TIMEOUT"),
    ({"RATCHET_ACK": "all"}, "RATCHET_ACK"),
    ({"RATCHET_SECRET": "a\nb"}, "RATCHET_SECRET"),
    ({"RATCHET_SECRET": "s\u00e4"}, "RATCHET_SECRET"),
    ({"RATCHET_NAME": "A"}, "--name"),
    ({"RATCHET_OPEN": "perhaps"}, "RATCHET_OPEN"),
    ({"RATCHET_PANEL": "perhaps"}, "RATCHET_PANEL"),
    ({"RATCHET_PAGE": "/no/such/folder"}, "RATCHET_PAGE"),
    ({"RATCHET_PLAYGROUND": "8081"}, "RATCHET_PLAYGROUND"),
    ({"RATCHET_PLAYGROUND": "http://a:1;script-src *"}, "RATCHET_PLAYGROUND"),
    ({"RATCHET_EMBED_ORIGINS": "blog.example"}, "RATCHET_EMBED_ORIGINS"),
    ({"RATCHET_EMBED_ORIGINS": "https://blog.example/"}, "RATCHET_EMBED_ORIGINS"),
    ({"RATCHET_EMBED_ORIGINS": "https://a,*"}, "RATCHET_EMBED_ORIGINS"),
    ({"RATCHET_ALLOWED_HOSTS": "videos.example:80"}, "RATCHET_ALLOWED_HOSTS"),
    ({"RATCHET_ALLOWED_HOSTS": "videos.example,*"}, "RATCHET_ALLOWED_HOSTS"),
]


class TestTheCommand:
    @pytest.mark.parametrize(("flags", "word"), FLAGS)
    def test_bad_flags_are_refused_and_nothing_is_written(
        self, refused: Refused, tmp_path: Path, flags: list[str], word: str
    ) -> None:
        data = tmp_path / "untouched"
        if not any("port" in flag for flag in flags):
            flags = [*flags, "--port", "0"]
        assert word in refused("node", "--data", str(data), *flags)
        assert not data.exists()

    @pytest.mark.parametrize(("environ", "word"), ENVIRON)
    def test_bad_variables_are_refused_and_nothing_is_written(
        self, refused: Refused, tmp_path: Path, environ: dict[str, str], word: str
    ) -> None:
        data = tmp_path / "untouched"
        environ = {"RATCHET_NAME": "a", "RATCHET_PORT": "0", "RATCHET_DATA": str(data)} | environ
        assert word in refused("node", environ=environ)
        assert not data.exists()

    def test_a_taken_port_is_refused_and_nothing_is_written(
        self, refused: Refused, node: Node, tmp_path: Path
    ) -> None:
        data = tmp_path / "untouched"
        line = refused("node", "--name", "b", "--port", str(node.port), "--data", str(data))
        assert f"port {node.port} on 127.0.0.1 is taken" in line
        assert not data.exists()

    def test_no_command_is_refused(self, refused: Refused) -> None:
        assert "COMMAND" in refused()

    @pytest.mark.parametrize("url", ["x", "http://x", "ftp://x:1"])
    def test_status_refuses_a_bad_url(self, refused: Refused, url: str) -> None:
        assert "http://host:port" in refused("status", url)

    def test_status_says_that_no_node_responds(self, refused: Refused) -> None:
        assert "does a node run there?" in refused("status", "http://127.0.0.1:1")

    @pytest.mark.parametrize("command", ["drain", "leave"])
    def test_drain_and_leave_say_that_no_node_responds(
        self, refused: Refused, command: str
    ) -> None:
        assert "does a node run there?" in refused(command, "http://127.0.0.1:1")
        assert "http://host:port" in refused(command, "a")
        assert "URL" in refused(command)

    def test_retire_prints_the_reason_of_the_nodes_refusal(
        self, refused: Refused, node: Node
    ) -> None:
        for more in ([], ["--check"]):
            line = refused("retire", "b", "--via", node.url, *more)
            assert "refused (404): no node called b is known here" in line
            line = refused("retire", "a", "--via", node.url, *more)
            assert "refused (409): a is the very node that you ask" in line
            assert "refused (400)" in refused("retire", "B", "--via", node.url, *more)
        assert "--via" in refused("retire", "b")
        assert "does a node run there?" in refused("retire", "b", "--via", "http://127.0.0.1:1")
