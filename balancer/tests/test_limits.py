"""What HAProxy grants one client, so that others are served as well.

The stand-in has no such limits. All its clients are on its own machine, and HAProxy doesn't limit
those either.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import select
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from balancer_cluster import PATIENCE_S, Cluster, start_cluster
from websockets.sync.client import ClientConnection, connect

from testing.nodes import HOST, free_port, wait_until

SHARE = 20
VIEWS = 5
PROXY = "192.0.2.9"
# Each test has clients of its own, so that no test meets the limits of another.
_clients = (f"198.51.100.{number}" for number in itertools.count(1))


class Door:
    """HAProxy, where clients with any address can connect.

    Its second port takes a client's address from a header, which HAProxy calls the PROXY protocol.
    """

    def __init__(self, cluster: Cluster, port: int, log: Path) -> None:
        self.cluster = cluster
        self._port = port
        self._log = log

    def connect(self, client: str) -> socket.socket:
        opened = socket.create_connection((HOST, self._port), PATIENCE_S)
        version = 6 if ":" in client else 4
        own = "::1" if ":" in client else HOST
        opened.sendall(f"PROXY TCP{version} {client} {own} 1 1\r\n".encode())
        return opened

    @contextlib.contextmanager
    def watch(self, client: str, forwarded: str = "") -> Iterator[ClientConnection]:
        """A websocket."""
        url = f"ws://{self.cluster.address}/api/videos/tide/live"
        claims = {"X-Forwarded-For": forwarded} if forwarded else {}
        with connect(url, sock=self.connect(client), additional_headers=claims) as opened:
            opened.recv()
            yield opened

    def get(self, client: str, path: str = "/", forwarded: str = "") -> int:
        """The status of the response. 0: HAProxy closes the connection."""
        with self.connect(client) as opened, contextlib.suppress(ConnectionError):
            head = f"GET {path} HTTP/1.0\r\nHost: x\r\nX-Forwarded-For: {forwarded}\r\n\r\n"
            opened.sendall(head.encode())
            status = re.match(rb"HTTP/1\.1 ([0-9]{3}) ", opened.recv(1024))
            return int(status[1]) if status else 0
        return 0

    def view(self, client: str, forwarded: str = "", method: str = "POST") -> bytes:
        """The response to a view."""
        with self.connect(client) as opened:
            head = (
                f"{method} /api/videos/tide/views HTTP/1.0\r\nX-Forwarded-For: {forwarded}\r\n\r\n"
            )
            opened.sendall(head.encode())
            return b"".join(iter(lambda: opened.recv(4096), b""))

    def cost(self, client: str, forwarded: str = "") -> list[int]:
        """The client requests many files that no node has. Returns how many requests the nodes
        receive for each."""
        paths = [f"/assets/lacks-abc/{uuid.uuid4().hex}.js" for _ in range(20)]
        assert {self.get(client, path, forwarded) for path in paths} == {404}
        seen = self.seen()
        return [seen.count(f"GET {path}") for path in paths]

    def seen(self) -> list[str]:
        """What all nodes have seen."""
        return [each for node in self.cluster.nodes for each in node.seen()]

    def logged(self, client: str) -> int:
        """How many lines HAProxy has logged about the client."""
        return self._log.read_text().count(f"{client}:")

    def finds(self, client: str, forwarded: str = "") -> bool:
        """Whether the client gets a file that only one node has."""
        paths = ["/assets/lacks-ab/watch.js"] * 6
        return {self.get(client, path, forwarded) for path in paths} == {200}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    port = free_port()
    folder = tmp_path_factory.mktemp("limits")
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("RATCHET_CLIENT_CONNECTIONS", str(SHARE))
        environ.setenv("RATCHET_CLIENT_VIEWS", str(VIEWS))
        environ.setenv("RATCHET_PROXIES", f"{PROXY},2001:db8:9::/48")
        more = f"bind {HOST}:{port} accept-proxy"
        with start_cluster("haproxy", folder, more=more) as cluster:
            yield Door(cluster, port, folder / "balancer.log")


@pytest.fixture
def client() -> str:
    """The address of a client that has not been here before."""
    return next(_clients)


class TestConnections:
    def test_one_address_has_no_more_than_its_share(self, door: Door, client: str) -> None:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.watch(client)) for _ in range(SHARE)]
            assert door.get(client) == 0
            # Those within the share go on, and other addresses don't notice.
            assert door.get(next(_clients)) == 200
            for each in crowd:
                each.send("still here")
                assert each.recv() == "still here"
            crowd[0].close()
            wait_until(lambda: door.get(client) == 200, "there is room for another connection")

    def test_connections_without_a_request_count(self, door: Door, client: str) -> None:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.connect(client)) for _ in range(SHARE + 1)]
            # HAProxy may count them in any order, so it may close any of them.
            closed, _, _ = select.select(crowd, [], [], PATIENCE_S)
            assert len(closed) == 1
            assert door.get(client) == 0

    def test_all_addresses_of_an_ipv6_network_share(self, door: Door) -> None:
        with contextlib.ExitStack() as stack:
            for number in range(SHARE):
                stack.enter_context(door.watch(f"2001:db8:1:1:{number:x}::1"))
            assert door.get("2001:db8:1:1::2") == 0
            assert door.get("2001:db8:1:2::2") == 200

    @pytest.mark.parametrize("proxy", [HOST, "::1", PROXY, "2001:db8:9:1::2"])
    def test_a_proxy_has_as_many_as_it_needs(self, door: Door, proxy: str) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(SHARE + 1):
                stack.enter_context(door.watch(proxy))

    @pytest.mark.parametrize("proxy", [HOST, PROXY])
    def test_each_client_of_a_proxy_has_its_own_share(
        self, door: Door, client: str, proxy: str
    ) -> None:
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(door.watch(proxy, client)) for _ in range(SHARE)]
            assert door.get(proxy, forwarded=f"203.0.113.1, {client}") == 429
            assert b" 429 " in door.view(proxy, client)[:15]
            assert door.get(proxy, forwarded=next(_clients)) == 200
            crowd[0].close()
            wait_until(lambda: door.get(proxy, forwarded=client) == 200, "there is room again")


class TestViews:
    def test_one_address_counts_no_more_than_its_share_of_a_minute(
        self, door: Door, client: str
    ) -> None:
        answers = [door.view(client) for _ in range(VIEWS + 2)]
        assert [b" 200 " in answer[:15] for answer in answers] == [True] * VIEWS + [False] * 2
        head, _, body = answers[-1].lower().partition(b"\r\n\r\n")
        assert head.startswith(b"http/1.1 429 ")
        for header in (b"retry-after: 10", b"access-control-allow-origin: *"):
            assert header in head
        assert json.loads(body)["error"] == "too_many_views"
        # It still reads, and others count.
        assert door.get(client) == 200
        assert b" 200 " in door.view(next(_clients))[:15]

    def test_only_views_are_counted_and_reads_and_preflights_are_not(
        self, door: Door, client: str
    ) -> None:
        for _ in range(VIEWS):
            assert door.get(client) == 200
            assert b" 429 " not in door.view(client, method="OPTIONS")[:15]
        assert all(b" 200 " in door.view(client)[:15] for _ in range(VIEWS))

    def test_all_addresses_of_an_ipv6_network_share(self, door: Door) -> None:
        answers = [door.view(f"2001:db8:3:1:{at:x}::1") for at in range(VIEWS + 1)]
        assert [b" 429 " in answer[:15] for answer in answers] == [False] * VIEWS + [True]

    @pytest.mark.parametrize("proxy", [HOST, PROXY])
    def test_each_client_of_a_proxy_has_its_own_share(
        self, door: Door, client: str, proxy: str
    ) -> None:
        for at in range(VIEWS):
            # What the client claims itself stands before.
            assert b" 200 " in door.view(proxy, f"203.0.113.{at}, {client}")[:15]
        assert b" 429 " in door.view(proxy, client)[:15]
        assert b" 200 " in door.view(proxy, next(_clients))[:15]

    def test_this_machine_has_no_limit(self, door: Door) -> None:
        answers = [door.view(HOST) for _ in range(VIEWS + 1)]
        assert all(b" 200 " in answer[:15] for answer in answers)


class TestMissingFiles:
    """HAProxy searches all nodes for a file, and an attacker may request files that none has."""

    def test_a_client_that_requests_many_costs_one_request_for_each(
        self, door: Door, client: str
    ) -> None:
        cost = door.cost(client)
        assert cost[0] > 1
        assert cost[12:] == [1] * 8
        # Others still get what only one node has.
        assert door.finds(next(_clients))

    def test_each_client_of_a_proxy_has_its_own_account(self, door: Door, client: str) -> None:
        # A proxy adds its client's address to those that the client has claimed.
        assert door.cost(PROXY, f"203.0.113.1, {client}")[-1] == 1
        assert door.finds(PROXY, f"{client}, {next(_clients)}")

    def test_a_client_that_receives_no_errors_finds_every_file(
        self, door: Door, client: str
    ) -> None:
        assert all(door.finds(client) for _ in range(3))


class TestBodies:
    @pytest.mark.parametrize("fill", [0, 10_000, 14_000])
    @pytest.mark.parametrize("how", ["Content-Length: {}", "Transfer-Encoding: chunked"])
    def test_that_do_not_fit_into_the_balancer_keep_no_connection_to_a_node(
        self, door: Door, client: str, how: str, fill: int
    ) -> None:
        """A node would wait for the rest, and a client may send it in drops."""
        head = f"POST /api/videos/tide/views HTTP/1.1\r\nHost: x\r\nX: {'x' * fill}\r\n"
        most = 15_900 - fill
        with door.connect(client) as opened:
            opened.sendall(f"{head}{how.format(most + 1)}\r\n\r\n".encode())
            chunk = f"{most:x}\r\n" if "chunked" in how else ""
            opened.sendall(chunk.encode() + b"x" * most)
            assert b" 413 " in opened.recv(1024)


class TestAClientThatNeverReads:
    def test_costs_little_memory_of_the_system(self, door: Door, client: str) -> None:
        name = f"{uuid.uuid4().hex}.webm"
        sent = [0] * 25

        def stays() -> bool:
            sent.append(door.seen().count(f"sent 64 KiB of {name}"))
            return sent[-1] > 0 and len({*sent[-25:]}) == 1

        with door.connect(client) as opened:
            opened.sendall(f"GET /media/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_until(stays, "the node can't send more")
        assert sent[-1] * 64 < 2500


class TestTheLog:
    """Clients must not fill it."""

    def test_has_few_of_the_failures_that_one_client_causes(self, door: Door, client: str) -> None:
        for _ in range(200):
            with door.connect(client) as opened:
                # It leaves before HAProxy has searched all nodes for the file.
                opened.sendall(b"GET /assets/lacks-abc/x.js HTTP/1.1\r\nHost: x\r\n\r\n")
        last = next(_clients)
        assert door.get(last, "/assets/lacks-abc/last.js") == 404
        wait_until(lambda: door.logged(last) == 1, "a failure of another client is logged")
        assert 0 < door.logged(client) < 60

    def test_has_nothing_about_bytes_that_are_no_request(self, door: Door, client: str) -> None:
        for some in (b"", b"GET / HTTP/1.1\r\nHo", b"\x16\x03\x01 x\r\n\r\n"):
            with door.connect(client) as opened:
                opened.sendall(some)
        last = next(_clients)
        assert door.get(last, "/assets/lacks-abc/last.js") == 404
        wait_until(lambda: door.logged(last) == 1, "a failure of another client is logged")
        assert not door.logged(client)
