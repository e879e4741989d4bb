"""The links between the demo's nodes: a cut link passes nothing. (One link: e2e/test_links.py.)"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from ratchet_server.demo.links import Links
from ratchet_server.demo.machine import HOST

from testing.accepting import answering


class TestLinks:
    @contextlib.asynccontextmanager
    async def linked(self) -> AsyncIterator[tuple[Links, int, int]]:
        """Links between a, which doesn't listen, and b, which responds in capitals. Then the ports
        of two of them: from a to b, and from b to a."""

        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                while chunk := await reader.read(1 << 16):
                    writer.write(chunk.upper())

        with socket.create_server((HOST, 0)) as nobody:
            a_port = nobody.getsockname()[1]
        async with answering(shout) as b_port:
            links = Links({"a": a_port, "b": b_port})
            try:
                a_to_b, b_to_a = (int(links.urls(name)[0].rpartition(":")[2]) for name in "ab")
                yield links, a_to_b, b_to_a
            finally:
                await links.close()

    def play(self, story: Callable[[Links, int, int], Awaitable[None]]) -> None:
        async def played() -> None:
            async with asyncio.timeout(30), self.linked() as (links, a_to_b, b_to_a):
                await story(links, a_to_b, b_to_a)

        asyncio.run(played())

    def test_bytes_arrive_whole_and_both_ways(self) -> None:
        async def story(_: Links, a_to_b: int, __: int) -> None:
            reader, writer = await asyncio.open_connection(HOST, a_to_b)
            sent = b"x" * 3_000_000

            async def send() -> None:
                writer.write(sent)
                await writer.drain()

            sending = asyncio.create_task(send())
            assert await reader.readexactly(len(sent)) == sent.upper()
            await sending
            writer.close()

        self.play(story)

    @pytest.mark.parametrize("name", ["a", "b"])
    def test_a_cut_ends_open_connections_and_refuses_new_ones(self, name: str) -> None:
        async def story(links: Links, a_to_b: int, _: int) -> None:
            reader, writer = await asyncio.open_connection(HOST, a_to_b)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"X"
            links.cut_off(name)
            assert links.cut == {name}
            assert await _rest(reader) == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(HOST, a_to_b)
            links.heal(name)
            again_reader, again = await asyncio.open_connection(HOST, a_to_b)
            again.write(b"z")
            assert await again_reader.readexactly(1) == b"Z"
            for one in (writer, again):
                one.close()

        self.play(story)

    def test_a_connection_ends_at_once_if_its_target_is_gone(self) -> None:
        async def story(_: Links, __: int, b_to_a: int) -> None:
            reader, writer = await asyncio.open_connection(HOST, b_to_a)
            assert await _rest(reader) == b""
            writer.close()

        self.play(story)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """All bytes until the connection ends, in order or by a reset."""
    with contextlib.suppress(OSError):
        return await reader.read()
    return b""
