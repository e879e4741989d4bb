"""What every balancer in front of the nodes must do. HAProxy and the stand-in must both pass."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from balancer_cluster import Cluster
from stub_node import CLIP_BYTES
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from testing.nodes import wait_until

PRIVATE = [
    ("GET", "/peer"),
    ("GET", "/peer/"),
    ("GET", "//peer"),
    ("GET", "/%70eer"),
    ("GET", "/metrics"),
    ("POST", "/api/node/drain"),
    ("POST", "/api/node/leave"),
    ("GET", "/api/node/"),
    ("GET", "/cluster"),
    ("GET", "/cluster/"),
    ("GET", "/api/cluster"),
    ("GET", "/api/cluster/"),
    ("POST", "/api/cluster/retire"),
    ("GET", "/api/videos_"),
    ("GET", "/learn/"),
    ("GET", "/pyodide"),
    ("GET", "/embedded"),
    ("GET", "/view-count.js.map"),
    ("GET", "/stub/seen"),
]


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def error_of(response: httpx.Response) -> str:
    body = response.json()
    assert set(body) == {"error", "message"}
    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    return str(body["error"])


@pytest.fixture(scope="module")
def silent(cluster: Cluster) -> Iterator[list[socket.socket]]:
    """Clients that wait from the first test on: one says nothing, one sends half a request, and one
    makes no second request."""
    requests = (b"", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with contextlib.ExitStack() as stack:
        clients = []
        for sent in requests:
            client = socket.create_connection(_address(cluster), timeout=20)
            clients.append(stack.enter_context(client))
            client.sendall(sent)
        yield clients


@pytest.mark.usefixtures("silent")
class TestReads:
    def test_reloads_of_a_page_take_turns(self, cluster: Cluster) -> None:
        names = cluster.fetch_from(9, "/watch/tide")
        assert Counter(names) == {"a": 3, "b": 3, "c": 3}
        assert all(left != right for left, right in itertools.pairwise(names))

    def test_reloads_take_turns_however_many_files_a_page_fetches(self, cluster: Cluster) -> None:
        names = []
        with cluster.client() as client:
            for _ in range(3):
                names.append(client.get("/watch/tide").headers["X-Ratchet-Node"])
                for path in ("/assets/1/watch.js", "/assets/1/watch.css"):
                    client.get(path)
        assert set(names) == {"a", "b", "c"}

    def test_reads_of_counts_take_turns(self, cluster: Cluster) -> None:
        assert Counter(cluster.fetch_from(6, "/api/videos/tide")) == {"a": 2, "b": 2, "c": 2}

    @pytest.mark.parametrize("head", ["Content-Length: 5", "Transfer-Encoding: chunked"])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_read_with_a_body_reaches_no_node(
        self, cluster: Cluster, method: str, head: str
    ) -> None:
        """A node would wait for the body, and a client may never send it."""
        path = f"/api/videos/body-{uuid.uuid4().hex}"
        with socket.create_connection(_address(cluster), timeout=20) as connection:
            request = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n"
            connection.sendall(request.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
        assert all(f"{method} {path}" not in node.seen() for node in cluster.nodes)

    def test_a_read_that_one_node_refuses_goes_to_another(self, cluster: Cluster) -> None:
        assert set(cluster.fetch_from(6, "/api/videos/busy-a")) == {"b", "c"}

    @pytest.mark.parametrize("path", ["/assets/{}/watch.js", "/pyodide/{}.whl"])
    def test_a_page_s_file_comes_from_a_node_that_has_it(self, cluster: Cluster, path: str) -> None:
        # This happens while nodes are upgraded one after the other.
        assert set(cluster.fetch_from(6, path.format("lacks-ab"))) == {"c"}
        with cluster.client() as client:
            assert client.get(path.format("lacks-abc")).status_code == 404
            assert client.get("/watch/lacks-abc").status_code == 404

    def test_a_file_that_no_node_has_costs_few_requests(self, cluster: Cluster) -> None:
        path = f"/assets/lacks-abc/{uuid.uuid4().hex}.js"
        with cluster.client() as client:
            assert client.get(path).status_code == 404
        cost = [node.seen().count(f"GET {path}") for node in cluster.nodes]
        assert min(cost) >= 1
        assert max(cost) <= 4

    def test_a_read_goes_to_another_node_if_the_first_goes_away(self, cluster: Cluster) -> None:
        assert set(cluster.fetch_from(6, "/api/videos/lost")) == {"b", "c"}

    @pytest.mark.parametrize(
        "path",
        [
            "/learn",
            "/embed?video=tide",
            "/view-count.js",
            "/count.js",
            "/openapi.json",
            "/pyodide/pyodide-lock.json",
            "/api/videos/tide/views.svg",
        ],
    )
    def test_what_is_for_the_public_passes(self, cluster: Cluster, path: str) -> None:
        assert cluster.fetch_from(1, path) != ["-"]

    def test_a_reader_that_pauses_gets_the_rest(self, cluster: Cluster) -> None:
        host, _, port = cluster.address.rpartition(":")
        with socket.socket() as viewer:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            viewer.settimeout(20)
            viewer.connect((host, int(port)))
            viewer.sendall(b"GET /media/tide.webm HTTP/1.0\r\nHost: x\r\n\r\n")
            received = len(viewer.recv(1000))
            # Longer than a node waits for a client that reads nothing of its other responses.
            threading.Event().wait(4)
            while part := viewer.recv(65536):
                received += len(part)
        assert received > CLIP_BYTES

    def test_healthz_is_the_balancers_and_readyz_is_a_nodes(self, cluster: Cluster) -> None:
        with cluster.client() as client:
            assert "X-Ratchet-Node" not in client.get("/healthz").headers
            assert "X-Ratchet-Node" in client.get("/readyz").headers


class TestViews:
    PATH = "/api/videos/tide/views"

    def test_a_key_sticks_to_its_node(self, cluster: Cluster) -> None:
        headers = key()
        with cluster.client() as client:
            names = {client.post(self.PATH, headers=headers).json()["node"] for _ in range(6)}
        assert len(names) == 1

    def test_keys_spread_over_all_nodes(self, cluster: Cluster) -> None:
        with cluster.client() as client:
            names = Counter(client.post(self.PATH, headers=key()).json()["node"] for _ in range(90))
        assert set(names) == {"a", "b", "c"}
        assert min(names.values()) >= 12  # 30 each if all were even; fewer once in 10,000 runs

    def test_without_a_key_they_spread_as_well(self, cluster: Cluster) -> None:
        with cluster.client() as client:
            names = {client.post(self.PATH).json()["node"] for _ in range(9)}
        assert names == {"a", "b", "c"}

    def test_one_that_a_node_received_is_never_sent_to_another(self, cluster: Cluster) -> None:
        path = f"/api/videos/lost-{uuid.uuid4().hex}/views"
        with cluster.client() as client:
            for _ in range(9):
                # On a kept connection HAProxy closes it instead of sending 502, as a node would.
                with contextlib.suppress(httpx.RemoteProtocolError):
                    assert client.post(path).status_code in (200, 502)
        assert sum(node.seen().count(f"POST {path}") for node in cluster.nodes) == 9

    def test_one_that_a_node_refuses_is_counted_by_the_next(self, cluster: Cluster) -> None:
        path = f"/api/videos/busy-a-{uuid.uuid4().hex}/views"
        with cluster.client() as client:
            answers = [client.post(path, headers=key()) for _ in range(12)]
            answers += [client.post(path) for _ in range(12)]
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.json()["node"] for answer in answers} == {"b", "c"}
        # No other node counted it: b and c together received each view once.
        given = [node.seen().count(f"POST {path}") for node in cluster.nodes]
        assert given[0] > 0
        assert given[1] + given[2] == 24

    def test_one_that_a_node_refuses_keeps_its_key_to_one_node(self, cluster: Cluster) -> None:
        for headers in [key() for _ in range(12)]:
            with cluster.client() as client:
                path = "/api/videos/busy-a/views"
                names = {client.post(path, headers=headers).json()["node"] for _ in range(3)}
            assert len(names) == 1

    @pytest.mark.parametrize("body", [b"", b"x" * 100, b"x" * 10_000])
    def test_one_that_a_node_refuses_is_sent_again_whole(
        self, cluster: Cluster, body: bytes
    ) -> None:
        with cluster.client() as client:
            for _ in range(9):
                # httpx sends the head of a request before its body.
                answer = client.post("/api/videos/busy-a/views", headers=key(), content=body)
                assert (answer.status_code, answer.json()["body"]) == (200, len(body))

    def test_one_that_all_nodes_refuse_is_refused_with_retry_after(self, cluster: Cluster) -> None:
        with cluster.client() as client:
            for headers in (key(), {}):
                answer = client.post("/api/videos/busy-abc/views", headers=headers)
                assert (answer.status_code, error_of(answer)) == (503, "draining")
                assert int(answer.headers["Retry-After"]) > 0

    def test_one_that_its_client_gives_up_is_given_up_at_the_node(self, cluster: Cluster) -> None:
        """Else a node that is frozen would count it when it wakes, long after its retry."""
        path = f"/api/videos/mute-{uuid.uuid4().hex}/views"

        def seen(what: str) -> bool:
            return any(f"{what} {path}" in node.seen() for node in cluster.nodes)

        with socket.create_connection(_address(cluster), timeout=20) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(head.encode())
            wait_until(lambda: seen("POST"), "a node has it")
        # Long before the balancer's own patience with a silent node ends.
        wait_until(lambda: seen("given up"), "the node knows that nobody waits for it", 10)

    def test_the_cookies_of_other_apps_do_no_harm(self, cluster: Cluster) -> None:
        cookie = "; ".join(f"app{n}={'x' * 1000}" for n in range(8))
        with cluster.client() as client:
            answer = client.post(self.PATH, headers={"Cookie": cookie})
        assert answer.status_code == 200
        assert "cookie" not in answer.json()["headers"]

    def test_a_body_is_passed_on_and_a_large_one_refused(self, cluster: Cluster) -> None:
        with cluster.client() as client:
            assert client.post(self.PATH, content=b"x" * 2000).status_code == 200
            refused = client.post(self.PATH, content=b"x" * 20_000)
        assert (refused.status_code, error_of(refused)) == (413, "too_large")


class TestLive:
    def test_a_websocket_passes_both_ways(self, cluster: Cluster) -> None:
        with connect(f"ws://{cluster.address}/api/videos/tide/live") as socket:
            assert str(socket.recv()).endswith(" tide")
            for message in ("hello", "x" * 100_000):
                socket.send(message)
                assert socket.recv() == message

    def test_websockets_spread(self, cluster: Cluster) -> None:
        url = f"ws://{cluster.address}/api/videos/tide/live"
        with connect(url) as one, connect(url) as two, connect(url) as three:
            names = {str(socket.recv())[0] for socket in (one, two, three)}
        assert names == {"a", "b", "c"}

    def test_an_event_stream_arrives_while_it_is_open(self, cluster: Cluster) -> None:
        with cluster.client() as client, client.stream("GET", "/api/videos/tide/events") as answer:
            assert next(answer.iter_text()).startswith("data: tide")


class TestPins:
    @pytest.mark.parametrize(
        "path", ["/?node=c", "/watch/tide?debug&node=c", "/api/videos/tide/snapshot?node=c"]
    )
    def test_a_read_goes_to_the_node_that_it_asks_for(self, cluster: Cluster, path: str) -> None:
        assert cluster.fetch_from(6, path) == ["c"] * 6

    def test_live_goes_to_the_node_that_it_asks_for(self, cluster: Cluster) -> None:
        for _ in range(4):
            with connect(f"ws://{cluster.address}/api/videos/tide/live?with=node&node=c") as socket:
                assert str(socket.recv())[0] == "c"
            with (
                cluster.client() as client,
                client.stream("GET", "/api/videos/tide/events?node=c") as answer,
            ):
                assert answer.headers["X-Ratchet-Node"] == "c"

    @pytest.mark.parametrize(
        "query",
        ["node=a", "node=", "node=zz", "node=n3", "node=%63", "node=C", "other=c", "anode=c"],
    )
    def test_a_query_that_names_no_node_changes_nothing(self, cluster: Cluster, query: str) -> None:
        # The first node's name was not given.
        names = cluster.fetch_from(6, f"/watch/tide?{query}")
        assert Counter(names) == {"a": 2, "b": 2, "c": 2}

    def test_a_view_stays_with_its_key(self, cluster: Cluster) -> None:
        with cluster.client() as client:
            for headers in [key() for _ in range(12)]:
                plain = client.post("/api/videos/tide/views", headers=headers).json()["node"]
                pinned = client.post("/api/videos/tide/views?node=c", headers=headers).json()
                assert pinned["node"] == plain

    def test_if_the_node_refuses_another_one_answers(self, cluster: Cluster) -> None:
        assert set(cluster.fetch_from(6, "/api/videos/busy-c?node=c")) == {"a", "b"}
        assert set(cluster.fetch_from(6, "/watch/busy-c?node=c")) == {"a", "b"}

    def test_while_the_node_is_down_another_one_answers(self, own_cluster: Cluster) -> None:
        own_cluster.nodes[2].process.kill()
        own_cluster.nodes[2].process.wait()
        # Both at once, before a check has noticed, and afterwards.
        assert set(own_cluster.fetch_from(6, "/?node=c")) <= {"a", "b"}
        wait_until(lambda: "c" not in own_cluster.fetch_from(3, "/"), "c is out")
        assert set(own_cluster.fetch_from(6, "/?node=c")) == {"a", "b"}
        with connect(f"ws://{own_cluster.address}/api/videos/tide/live?node=c") as socket:
            assert str(socket.recv())[0] in "ab"

    def test_until_the_node_is_ready_again_another_one_answers(self, own_cluster: Cluster) -> None:
        own_cluster.nodes[2].set_ready(False)
        wait_until(lambda: "c" not in own_cluster.fetch_from(3, "/?node=c"), "others answer")
        own_cluster.nodes[2].set_ready(True)
        wait_until(lambda: own_cluster.fetch_from(3, "/?node=c") == ["c"] * 3, "c answers")


class TestWhatIsNotForThePublic:
    @pytest.mark.parametrize(("method", "path"), PRIVATE)
    def test_it_is_not_found(self, cluster: Cluster, method: str, path: str) -> None:
        status, body = send_raw(cluster, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (status, json.loads(body)["error"]) == (404, "not_found")

    def test_the_websocket_between_nodes_is_not_reachable(self, cluster: Cluster) -> None:
        url = f"ws://{cluster.address}/peer"
        with pytest.raises(InvalidStatus) as refused, connect(url):
            pass
        assert refused.value.response.status_code == 404

    def test_a_node_sees_the_real_client_and_no_invented_one(self, cluster: Cluster) -> None:
        invented = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil", "Forwarded": "for=x"}
        with cluster.client() as client:
            headers = client.get("/", headers=invented).json()["headers"]
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert not {"x-forwarded-host", "forwarded"} & set(headers)
        assert headers["host"] == cluster.address

    def test_a_request_that_has_passed_this_balancer_already_goes_no_further(
        self, cluster: Cluster
    ) -> None:
        with cluster.client() as client:
            via = client.get("/").json()["headers"]["via"]
            looped = client.get("/", headers={"Via": via})
        assert (looped.status_code, looped.json()["error"]) == (508, "loop")


class TestGarbage:
    @pytest.mark.parametrize(
        "sent",
        [
            b"\x00\xff\x16\x03\x01 garbage\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
            b"POST /api/videos/x/views HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /api/videos/x/views HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ],
    )
    def test_it_is_refused_and_the_next_request_is_served(
        self, cluster: Cluster, sent: bytes
    ) -> None:
        assert send_raw(cluster, sent)[0] == 400
        assert "-" not in cluster.fetch_from(1, "/")


class TestSilence:
    def test_a_client_that_sends_no_request_is_cut_off(self, silent: list[socket.socket]) -> None:
        # The clients have waited since the first test, so this test need not wait for long.
        for client in silent:
            received = b""
            while part := client.recv(65536):
                received += part
            assert received.count(b"HTTP/1.1 ") <= 2


class TestFailures:
    def test_a_dead_nodes_requests_move_on_at_once(self, own_cluster: Cluster) -> None:
        own_cluster.nodes[1].process.kill()
        own_cluster.nodes[1].process.wait()
        with own_cluster.client() as client:
            for _ in range(12):
                assert client.get("/watch/tide").status_code == 200
                assert client.post("/api/videos/tide/views", headers=key()).status_code == 200

    def test_a_lost_node_moves_its_own_keys_and_no_others(self, own_cluster: Cluster) -> None:
        path, keys = "/api/videos/tide/views", [key() for _ in range(40)]

        def places() -> list[str]:
            with own_cluster.client() as client:
                return [client.post(path, headers=one).json()["node"] for one in keys]

        before = places()
        own_cluster.nodes[1].process.kill()
        own_cluster.nodes[1].process.wait()
        wait_until(lambda: "b" not in own_cluster.fetch_from(3, "/"), "b is out")
        after = places()
        assert "b" in before
        assert "b" not in after
        assert all(new == old for old, new in zip(before, after, strict=True) if old != "b")

    def test_an_unready_node_is_avoided_and_its_websockets_stay(self, own_cluster: Cluster) -> None:
        with connect(f"ws://{own_cluster.address}/api/videos/tide/live") as socket:
            name = str(socket.recv())[0]
            node = next(node for node in own_cluster.nodes if node.name == name)
            node.set_ready(False)
            wait_until(lambda: name not in own_cluster.fetch_from(6, "/"), "it gets nothing")
            socket.send("still here")
            assert socket.recv() == "still here"
            node.set_ready(True)
            wait_until(lambda: name in own_cluster.fetch_from(6, "/"), "it is back")
            socket.send("still here")
            assert socket.recv() == "still here"

    def test_without_a_ready_node_it_says_so_and_when_to_come_back(
        self, own_cluster: Cluster
    ) -> None:
        for node in own_cluster.nodes:
            node.set_ready(False)
        path = "/api/videos/tide/views"
        with own_cluster.client() as client:
            wait_until(lambda: client.get("/").status_code == 503, "nobody is ready")
            for response in (client.get("/"), client.post(path, headers=key())):
                assert (response.status_code, error_of(response)) == (503, "unavailable")
                assert int(response.headers["Retry-After"]) > 0
            assert client.get("/healthz").status_code == 200
            own_cluster.nodes[0].set_ready(True)
            wait_until(lambda: client.get("/").status_code == 200, "one is ready")


def _address(cluster: Cluster) -> tuple[str, int]:
    host, _, port = cluster.address.rpartition(":")
    return host, int(port)


def send_raw(cluster: Cluster, sent: bytes) -> tuple[int, bytes]:
    """Send bytes that no HTTP library would send. Returns the response's status and body."""
    with socket.create_connection(_address(cluster), timeout=20) as connection:
        connection.sendall(sent)
        # httpx reads no response to a request that it didn't send.
        with http.client.HTTPResponse(connection) as answer:
            answer.begin()
            return answer.status, answer.read()
