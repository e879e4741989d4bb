"""How slow a client may be, and how many bytes may wait for all clients together."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ratchet_server.http import bounded_protocol
from ratchet_server.http.app import LAST_RESPONSE_S
from ratchet_server.http.backlog import Backlog
from ratchet_server.http.bounded_protocol import MAX_NOT_SENT, BoundedProtocol, Pace
from ratchet_server.http.room import Room
from ratchet_server.http.sending import send_file
from ratchet_server.http.tally import Tally
from ratchet_server.node import _loop_factory
from sanic import HTTPResponse, Request, Sanic

from testing.nodes import HOST, PATIENCE_S
from testing.transports import until
from testing.wire import held

# More than the kernel buffers at both ends of a connection.
SIZE = 2**24


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("media") / "clip.webm"
    with file.open("wb") as large:
        large.truncate(SIZE)
    return file


def with_server(
    clip: Path, story: Callable[["Clients"], Coroutine[Any, Any, None]], limit: int = 2**30
) -> None:
    """Run `story` beside a server. It has `clip` at `/file`, and a response of the same size from
    memory at `/made`. No more than `limit` bytes wait for all clients together."""

    async def run() -> None:
        app = Sanic[Any, Any]("slow-clients", configure_logging=False)
        # Sanic rewrites its own classes for speed. A second app in this process would break them.
        app.config.TOUCHUP = False
        app.config.GRACEFUL_TCP_CLOSE_TIMEOUT = LAST_RESPONSE_S
        app.ctx.backlog, app.ctx.room, app.ctx.tally = Backlog(limit), Room(1000), Tally()

        async def file(request: Request) -> HTTPResponse | None:
            return await send_file(request, clip, "video/webm", {})

        async def made(_request: Request) -> HTTPResponse:
            return HTTPResponse(bytes(SIZE))

        app.add_route(file, "/file")
        app.add_route(made, "/made")
        with socket.create_server((HOST, 0)) as sock:
            server = await app.create_server(sock=sock, protocol=BoundedProtocol, access_log=False)
            assert server is not None
            # Sanic's server has no types for these two calls.
            await server.startup()  # type: ignore[no-untyped-call]
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await story(Clients(sock.getsockname()))
            finally:
                closing = server.close()  # type: ignore[no-untyped-call]
                for connection in tuple(server.connections):
                    connection.abort()
                if closing:
                    await closing

    Sanic.test_mode = True
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())


class Clients:
    """Makes connections that have sent a request."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    @asynccontextmanager
    async def requesting(self, path: str) -> AsyncIterator["Client"]:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
            sock.setblocking(False)
            await loop.sock_connect(sock, self._address)
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            await loop.sock_sendall(sock, request.encode())
            client = Client(sock)
            # The response has begun.
            await client.read(1)
            yield client


class Client:
    """A connection that reads as slowly as it likes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.received = 0

    async def read(self, size: int = 64 * 1024) -> bool:
        """Read at most `size` bytes. Returns whether there were any."""
        with suppress(ConnectionResetError):
            part = await asyncio.get_running_loop().sock_recv(self._sock, size)
            self.received += len(part)
            return bool(part)
        return False

    async def read_slowly(self, rate: float, for_s: float) -> None:
        """Read `rate` bytes a second, for `for_s` seconds or until the end."""
        started = asyncio.get_running_loop().time()
        while (elapsed_s := asyncio.get_running_loop().time() - started) < for_s:
            if self.received > rate * elapsed_s:
                await asyncio.sleep(0.05)  # This is what makes it slow.
            elif not await self.read(8192):
                return

    async def read_all(self) -> int:
        while await self.read():
            pass
        return self.received

    async def is_cut_off(self) -> None:
        """Return once the server has cut it off. Reads nothing."""
        here, there = self._sock.getsockname()[1], self._sock.getpeername()[1]
        while held(there, here):  # noqa: ASYNC110  # The kernel sends no event for this.
            await asyncio.sleep(0.02)


class TestAClient:
    def test_that_reads_a_made_response_slowly_gets_all_of_it(self, clip: Path) -> None:
        """Its kernel acknowledges bytes all the time. The server's kernel takes more from the
        server's buffer only in large steps."""

        async def story(clients: Clients) -> None:
            async with clients.requesting("/made") as client:
                await client.read_slowly(60_000, for_s=8)
                assert await client.read_all() > SIZE

        with_server(clip, story)

    def test_that_reads_nothing_of_a_made_response_is_cut_off(self, clip: Path) -> None:
        async def story(clients: Clients) -> None:
            async with clients.requesting("/made") as client:
                await client.is_cut_off()

        with_server(clip, story)

    def test_that_reads_nothing_of_a_file_is_cut_off_much_later(
        self, clip: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bounded_protocol, "PROMPT", Pace(1, 1.0))
        monkeypatch.setattr(bounded_protocol, "PATIENT", Pace(100_000, 5.0))

        async def story(clients: Clients) -> None:
            async with clients.requesting("/file") as client, clients.requesting("/file") as other:
                # The pause of a viewer: too long for PROMPT, short enough for PATIENT.
                await asyncio.sleep(3)
                assert await client.read_all() > SIZE
                await other.is_cut_off()

        with_server(clip, story)

    def test_that_reads_a_file_below_the_least_pace_is_cut_off(
        self, clip: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bounded_protocol, "PATIENT", Pace(400_000, 2.0))

        async def story(clients: Clients) -> None:
            async with clients.requesting("/file") as slow, clients.requesting("/file") as slower:
                await asyncio.gather(
                    slow.read_slowly(600_000, for_s=6), slower.read_slowly(50_000, for_s=6)
                )
                assert await slow.read_all() > SIZE
                assert await slower.read_all() < SIZE

        with_server(clip, story)


class TestAllTogether:
    def test_wait_for_no_more_than_the_limit(self, clip: Path) -> None:
        async def story(clients: Clients) -> None:
            async with clients.requesting("/file") as reader, asyncio.TaskGroup() as tasks:
                # It takes bytes all the while, so it is the last to go.
                reading = tasks.create_task(reader.read_slowly(2_000_000, for_s=3))
                async with (
                    clients.requesting("/made") as first,
                    clients.requesting("/made") as second,
                ):
                    # So much that the server has written to it since the two began.
                    taken = reader.received + 3 * MAX_NOT_SENT
                    await until(lambda: reader.received > taken, "the reader reads on")
                    async with clients.requesting("/made") as third:
                        # There is room for two of the three. The first is cut off at once, long
                        # before its 3 s are over.
                        async with asyncio.timeout(1.5):
                            await first.is_cut_off()
                        read = await asyncio.gather(*(one.read_all() for one in (second, third)))
                        assert min(read) > SIZE
                await reading
                assert await reader.read_all() > SIZE

        with_server(clip, story, limit=2 * SIZE + 100_000)

    def test_the_one_that_has_taken_nothing_for_the_longest_time_goes_first(self) -> None:
        gone: list[str] = []

        class Named:
            def __init__(self, name: str) -> None:
                self._name = name

            def cut_off(self) -> None:
                gone.append(self._name)

        backlog = Backlog(100)
        a, b, c, d = (Named(name) for name in "abcd")
        for client in (a, b, c):
            backlog.waits(client, 30, took=True)
        backlog.waits(a, 20, took=True)
        backlog.waits(b, 31, took=False)
        assert gone == []
        backlog.waits(d, 30, took=True)
        assert gone == ["b"]
        backlog.forget(c)
        backlog.waits(d, 80, took=True)
        assert gone == ["b"]
        backlog.waits(d, 101, took=True)
        assert gone == ["b", "a", "d"]
