"""The playground's parts, without a demo around them: its links, its wire, and how it asks."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from ratchet_server.demo_place import HOST
from ratchet_server.playground.ask import NoAnswer, ask
from ratchet_server.playground.links import Links
from ratchet_server.playground.wire import DemoEnd, Order, PlaygroundEnd

JSON = {"Content-Type": "application/json"}


class TestLinks:
    @contextlib.asynccontextmanager
    async def linked(self) -> AsyncIterator[tuple[Links, int, int]]:
        """Links of a, which listens nowhere, and b, which answers in capitals; two ports: from a
        to b, and from b to a."""

        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                while said := await reader.read(1 << 16):
                    writer.write(said.upper())

        b = await asyncio.start_server(shout, HOST, 0)
        with socket.create_server((HOST, 0)) as nobody:
            a_port = nobody.getsockname()[1]
        links = Links({"a": a_port, "b": b.sockets[0].getsockname()[1]})
        listeners = {pair: socket.create_server((HOST, 0)) for pair in (("a", "b"), ("b", "a"))}
        servers = await links.serve(listeners)
        try:
            yield links, *(one.getsockname()[1] for one in listeners.values())
        finally:
            for server in (b, *servers):
                server.close()

    def play(self, story: Callable[[Links, int, int], Awaitable[None]]) -> None:
        async def played() -> None:
            async with asyncio.timeout(30), self.linked() as (links, a_to_b, b_to_a):
                await story(links, a_to_b, b_to_a)

        asyncio.run(played())

    def test_what_is_sent_arrives_whole_and_both_ways(self) -> None:
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
    def test_a_cut_ends_what_is_open_and_drops_what_comes(self, name: str) -> None:
        async def story(links: Links, a_to_b: int, _: int) -> None:
            reader, writer = await asyncio.open_connection(HOST, a_to_b)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"X"
            links.cut_off(name)
            assert links.cut == {name}
            assert await _rest(reader) == b""
            late_reader, late = await asyncio.open_connection(HOST, a_to_b)
            late.write(b"y")
            assert await _rest(late_reader) == b""
            links.heal(name)
            again_reader, again = await asyncio.open_connection(HOST, a_to_b)
            again.write(b"z")
            assert await again_reader.readexactly(1) == b"Z"
            for one in (writer, late, again):
                one.close()

        self.play(story)

    def test_nobody_behind_a_link_is_an_end(self) -> None:
        async def story(_: Links, __: int, b_to_a: int) -> None:
            reader, writer = await asyncio.open_connection(HOST, b_to_a)
            assert await _rest(reader) == b""
            writer.close()

        self.play(story)


class TestWire:
    def test_orders_and_facts_arrive(self) -> None:
        async def story() -> None:
            demo = DemoEnd()
            playground = PlaygroundEnd(socket.socket(fileno=os.dup(demo.theirs.fileno())))
            listening = asyncio.create_task(playground.listen())
            demo.tell("ab")
            await playground.until(lambda: playground.running == {"a", "b"})
            carried = asyncio.create_task(playground.carry_out("start", "c"))
            orders: list[Order] = []
            while not orders:
                await asyncio.sleep(0)
                orders += demo.orders()
            assert orders == [Order("start", "c")]
            assert not carried.done()
            demo.tell("abc")
            await carried
            demo.close()
            # The demo is gone.
            await listening

        async def bounded() -> None:
            async with asyncio.timeout(30):
                await story()

        asyncio.run(bounded())

    def test_what_is_no_order_is_none(self) -> None:
        demo = DemoEnd()
        with contextlib.closing(demo):
            for part in (b"explode a\nki", b"ll b\n\xff\n", b"\n", b"start"):
                demo.theirs.sendall(part)
            assert [*demo.orders()] == [Order("kill", "b")]
            demo.theirs.sendall(b" c\n")
            assert [*demo.orders()] == [Order("start", "c")]

    def test_the_demo_waits_for_no_playground(self) -> None:
        demo = DemoEnd()
        with contextlib.closing(demo):
            for number in range(100_000):
                demo.tell([f"n{number}"])


class TestAsking:
    def asked(self, answer: bytes | None) -> None:
        async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                await reader.readuntil(b"\r\n\r\n")
                while answer is None:
                    writer.write(b"x")
                    await writer.drain()
                    # A drip that never ends: this is how the stuck node behaves, not a wait.
                    await asyncio.sleep(0.01)
                writer.write(answer)

        async def story() -> None:
            async with await asyncio.start_server(node, HOST, 0) as server:
                port = server.sockets[0].getsockname()[1]
                await ask(port, "GET", "/", timeout_s=0.3)

        asyncio.run(story())

    @pytest.mark.parametrize(
        "answer",
        [
            None,  # one that never ends
            b"",
            b"garbage",
            b"HTTP/1.1 200 OK\r\n\r\nno json",
            b"HTTP/1.1 abc\r\n\r\n{}",
            b"SSH-2.0 200 x\r\n\r\n{}",
            b'HTTP/1.1 200 OK\r\n\r\n"\xff"',
        ],
    )
    def test_what_is_no_answer(self, answer: bytes | None) -> None:
        with pytest.raises(NoAnswer):
            self.asked(answer)

    def test_an_answer(self) -> None:
        self.asked(b"HTTP/1.1 200 OK\r\n\r\n{}")


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, however it ends."""
    with contextlib.suppress(OSError):
        return await reader.read()
    return b""
