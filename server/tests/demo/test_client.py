"""The demo's requests: a response that it can parse, in time, or None."""

import asyncio
import contextlib

import pytest
from ratchet_server.demo.client import Client, Response
from ratchet_server.demo.machine import HOST

from testing.accepting import answering


class TestRequests:
    def responded(self, response: bytes | None) -> Response | None:
        async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                await reader.readuntil(b"\r\n\r\n")
                while response is None:
                    writer.write(b"x")
                    await writer.drain()
                    # A drip that never ends: this is how the stuck node behaves, not a wait.
                    await asyncio.sleep(0.01)
                writer.write(response)

        async def story() -> Response | None:
            async with answering(node) as port:
                client = Client()
                try:
                    return await client.request("GET", f"http://{HOST}:{port}/", timeout_s=0.3)
                finally:
                    await client.close()

        return asyncio.run(story())

    @pytest.mark.parametrize(
        "response",
        [
            None,  # one that never ends
            b"",
            b"garbage",
            b"HTTP/1.1 200 OK\r\n\r\nno json",
            b"HTTP/1.1 abc\r\n\r\n{}",
            b"SSH-2.0 200 x\r\n\r\n{}",
            b'HTTP/1.1 200 OK\r\n\r\n"\xff"',
            b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        ],
    )
    def test_without_json_in_time_the_result_is_none(self, response: bytes | None) -> None:
        assert self.responded(response) is None

    def test_a_response_has_the_status_and_the_json(self) -> None:
        assert self.responded(b'HTTP/1.1 409 No\r\n\r\n{"a": 1}') == (409, {"a": 1})
