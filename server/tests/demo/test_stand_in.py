"""The stand-in balancer's own behaviour. balancer/tests has what it shares with HAProxy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from ratchet_server.demo import stand_in
from ratchet_server.demo.stand_in_nodes import Node, Turns

from testing.accepting import answering

Answer = Callable[[bytes], Awaitable[bytes]]
HEAD = "POST /api/videos/tide/views HTTP/1.1\r\nHost: x\r\n"


def split_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.asynccontextmanager
async def balanced(answer: Answer | None = None) -> AsyncIterator[str]:
    """The address of a stand-in with one node, which is ready and responds with `answer`."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /readyz "):
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            elif answer is not None:
                writer.write(await answer(head))

    bind = free_address()
    async with answering(connected) as port:
        serving = asyncio.create_task(stand_in.StandIn([f"127.0.0.1:{port}"]).serve(bind))
        try:
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(*split_address(bind))
                    writer.close()
                    break
                await asyncio.sleep(0)
            yield bind
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def exchange(address: str, sent: bytes) -> bytes:
    """Send `sent`. Return all bytes until the stand-in closes the connection."""
    reader, writer = await asyncio.open_connection(*split_address(address))
    with contextlib.closing(writer):
        writer.write(sent)
        async with asyncio.timeout(20):
            return await reader.read()


class TestHeads:
    def passed(self, *lines: str, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> tuple[str, str]:
        """The request that the node receives (empty if it receives none), and the response that the
        client receives."""
        heads: list[bytes] = []

        async def node(head: bytes) -> bytes:
            heads.append(head)
            return answer

        async def story() -> bytes:
            async with balanced(node) as address:
                return await exchange(address, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

        response = asyncio.run(story())
        return b"".join(heads).decode(), response.decode()

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "GET",
            "GET /",
            "GET / HTTP/2",
            "GET  / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /\xff HTTP/1.1",
        ],
    )
    def test_a_bad_request_line_is_refused(self, line: str) -> None:
        given, answer = self.passed(line, "Host: x")
        assert not given
        assert answer.startswith("HTTP/1.1 400 ")

    @pytest.mark.parametrize("line", ["CONNECT x:1 HTTP/1.1", "GET http://x/peer HTTP/1.1"])
    def test_a_target_that_is_no_path_of_ours_is_not_found(self, line: str) -> None:
        given, answer = self.passed(line, "Host: x")
        assert not given
        assert answer.startswith("HTTP/1.1 404 ")

    @pytest.mark.parametrize("line", ["x", ": x", "a b: c", "a : b", "a: b\0"])
    def test_a_bad_header_is_refused(self, line: str) -> None:
        given, answer = self.passed("GET / HTTP/1.1", "Host: x", line)
        assert not given
        assert answer.startswith("HTTP/1.1 400 ")

    @pytest.mark.parametrize(
        ("sloppy", "plain"),
        [
            ("A:  b ", "a: b\r\n"),
            ("A: b\r\n\tc", "a: b c\r\n"),
            ("A: b\nC: d", "a: b\r\nc: d\r\n"),
            ("Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "content-length: 1\r\n"),
            ("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0", "content-length: 1\r\n"),
        ],
    )
    def test_a_node_gets_a_sloppy_request_in_plain_spelling(self, sloppy: str, plain: str) -> None:
        """So the node can't parse the bytes differently from the balancer."""
        given, _ = self.passed("POST / HTTP/1.1", "Host: x", sloppy)
        head = given.partition("\r\n\r\n")[0]
        assert plain in f"{head}\r\n"
        assert {line.partition(": ")[0] for line in head.split("\r\n")[1:]} <= {
            "host", "a", "c", "content-length", "connection", "x-forwarded-for", "via"
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("lines", "status"),
        [
            (["Content-Length: -1"], "400"),
            (["Content-Length: 1_0"], "400"),
            (["Content-Length: "], "400"),
            (["Content-Length: 1", "Content-Length: 2"], "400"),
            (["Transfer-Encoding: gzip"], "400"),
            (["Content-Length: 16385"], "413"),
            (["Content-Length: 99999999999999999999"], "413"),
            (["Transfer-Encoding: chunked", "", "5000", "x" * 0x5000], "413"),
        ],
    )
    def test_a_body_of_unclear_length_or_that_is_too_large_is_refused(
        self, lines: list[str], status: str
    ) -> None:
        given, answer = self.passed("POST / HTTP/1.1", "Host: x", *lines)
        assert not given
        assert answer.startswith(f"HTTP/1.1 {status} ")

    def test_a_node_gets_one_request_per_connection_and_the_clients_true_address(self) -> None:
        given, _ = self.passed(
            "GET /?a=b HTTP/1.1", "Host: h", "Connection: keep-alive", "X-Forwarded-For: 6.6.6.6"
        )
        assert given == (
            "GET /?a=b HTTP/1.1\r\nhost: h\r\n"
            "connection: close\r\nx-forwarded-for: 127.0.0.1\r\nvia: 1.1 ratchet-stand-in\r\n\r\n"
        )

    def test_a_response_arrives_as_the_node_sent_it(self) -> None:
        answer = b"HTTP/1.1 299 Well\r\nContent-Length: 2\r\nX-Ratchet-Node: a\r\n\r\nok"
        assert self.passed("GET / HTTP/1.1", "Host: x", answer=answer)[1] == answer.decode()

    def test_a_head_request_gets_only_the_head(self) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
        given, got = self.passed("HEAD / HTTP/1.1", "Host: x", answer=answer)
        assert given.startswith("HEAD / ")
        assert got == answer.decode()

    def test_a_head_request_that_is_refused_gets_no_body(self) -> None:
        _, got = self.passed("HEAD /peer HTTP/1.1", "Host: x")
        assert got.startswith("HTTP/1.1 404 Not Found\r\n")
        assert got.endswith("\r\n\r\n")


class TestPins:
    @pytest.mark.parametrize(
        ("query", "first"),
        [
            ("a=1&node=c", "c"),
            ("node=c;xnode=b", "c"),
            ("node=d=e&node=b", "b"),
            ("node=c&node=b", "b"),
            ("xnode=c", "a"),
            ("node=%63", "a"),
            ("node", "a"),
            ("node=", "a"),
        ],
    )
    def test_a_query_names_a_node_without_any_decoding(self, query: str, first: str) -> None:
        nodes = [Node(f"{name}=127.0.0.1:1") for name in "abc"] + [Node("127.0.0.1:1")]
        for node in nodes:
            node.ready = True
        assert Turns(nodes).for_read("/", query)[0].name == first


class TestBounds:
    def test_a_head_that_never_ends_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stand_in, "REQUEST_TIMEOUT_S", 0.05)

        async def story() -> None:
            async with balanced() as address:
                answer = await exchange(address, b"GET / HTTP/1.1\r\nHost: ")
                assert answer.startswith(b"HTTP/1.1 408 ")

        asyncio.run(story())

    def test_a_body_that_never_comes_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stand_in, "REQUEST_TIMEOUT_S", 0.05)

        async def story() -> None:
            async with balanced() as address:
                sent = HEAD + "Content-Length: 5\r\n\r\nab"
                answer = await exchange(address, sent.encode())
                assert answer.startswith(b"HTTP/1.1 408 ")

        asyncio.run(story())

    def test_a_node_that_never_responds_to_a_view_makes_504(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stand_in, "SILENCE_TIMEOUT_S", 0.05)

        async def never(_: bytes) -> bytes:
            await asyncio.Event().wait()
            return b""

        async def story() -> None:
            async with balanced(never) as address:
                answer = await exchange(address, (HEAD + "\r\n").encode())
                assert answer.startswith(b"HTTP/1.1 504 ")

        asyncio.run(story())

    def test_a_client_that_expects_100_gets_it_before_it_sends_its_body(self) -> None:
        async def yes(_: bytes) -> bytes:
            return b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncounted"

        async def story() -> None:
            async with balanced(yes) as address:
                reader, writer = await asyncio.open_connection(*split_address(address))
                with contextlib.closing(writer):
                    writer.write(
                        f"{HEAD}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode()
                    )
                    async with asyncio.timeout(20):
                        head = await reader.readuntil(b"\r\n\r\n")
                        assert head.startswith(b"HTTP/1.1 100 ")
                        writer.write(b"ab")
                        answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                assert answer.endswith(b"counted")

        asyncio.run(story())


class TestCommand:
    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ratchet_server.demo.stand_in", *arguments]

    def test_it_says_that_it_is_a_stand_in_and_ends_on_sigterm(self) -> None:
        bind = free_address()
        command = self.command(bind, free_address())
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
            contextlib.ExitStack() as stack,
        ):
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == (
                f"ready http://{bind} (a stand-in; the real balancer is HAProxy)\n"
            )
            with socket.create_connection(split_address(bind)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                with client.makefile("rb") as answer:
                    head, _, body = answer.read().partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: 1" in head
            assert set(json.loads(body)) == {"error", "message"}
            with socket.create_connection(split_address(bind)):
                process.send_signal(signal.SIGTERM)
                process.wait(20)

    def test_a_taken_port_gets_one_clear_line(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = f"127.0.0.1:{other.getsockname()[1]}"
            command = self.command(taken, "127.0.0.1:1")
            result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert "in use" in result.stderr
        assert result.stderr.count("\n") == 1
