"""The loop that makes a discovery of a registry: what it does with good, bad and no answers."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

import pytest
from ratchet.frames import Hello
from ratchet_server.peering.addresses import MOST, SHARED_S
from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry import port
from ratchet_server.peering.registry.entries import read, written
from ratchet_server.peering.registry.finder import WITHDRAW_S, Finder
from ratchet_server.peering.registry.port import RegistryError

from testing.transports import until

ME = Hello("a", "a" * 16, "http://10.0.0.1:1/")
OWN = Address("http://10.0.0.1:1", "a", "a" * 16)
B = Address("http://10.0.0.2:1", "b", "b" * 16)


class Script:
    """A registry that does what the test says."""

    def __init__(self, *, announces: bool = True) -> None:
        self.announces = announces
        self.holds: set[Address] = {B}
        self.looks = 0
        self.forbids_writing = False
        self.forgets = False
        self.fails = ""
        # Whether each call waits for ever.
        self.hangs = False
        self.is_closed = False

    async def look(self) -> Collection[Address]:
        await self._answer()
        self.looks += 1
        return self.holds

    async def wait(self, at_most_s: float) -> None:
        await asyncio.sleep(min(at_most_s, 0.01))

    async def announce(self, own: Address) -> None:
        await self._answer()
        if self.forbids_writing:
            raise RegistryError("lets us read, and not write")
        if not self.forgets:
            self.holds.add(own)

    async def withdraw(self) -> None:
        await self._answer()
        self.holds.discard(OWN)

    async def close(self) -> None:
        self.is_closed = True

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise RegistryError(self.fails)


Story = Callable[[Finder], Awaitable[None]]


def run(script: Script, story: Story, clock: Callable[[], float] = time.monotonic) -> None:
    async def whole() -> None:
        finder = Finder(script, "test://it", clock=clock)
        task = asyncio.create_task(finder.run(ME))
        try:
            await story(finder)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(whole())


class TestFinder:
    def test_sees_what_is_registered_and_expects_nobody_at_its_own_address(self) -> None:
        script = Script()

        async def story(finder: Finder) -> None:
            assert not finder.has_looked()
            await until(finder.has_looked, "it has looked")
            assert {*finder.seen()} == {OWN, B}
            assert [*finder.expected()] == [B.url]

        run(script, story)
        assert script.holds == {B}
        assert script.is_closed

    def test_has_not_looked_while_the_registry_has_lost_our_own_address(self) -> None:
        # As a server does that was frozen.
        script = Script()
        script.forgets = True

        async def story(finder: Finder) -> None:
            await until(lambda: script.looks > 1, "it looks")
            assert not finder.has_looked()
            script.forgets = False
            await until(finder.has_looked, "it has looked")

        run(script, story)

    def test_changes_nothing_and_says_since_when_the_registry_fails(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        script = Script()

        async def story(finder: Finder) -> None:
            await until(finder.has_looked, "it has looked")
            script.fails = "is on fire"
            await until(lambda: finder.trouble, "it notices")
            assert finder.trouble is not None
            since = finder.trouble.since
            await asyncio.sleep(0.5)
            assert (finder.trouble.why, finder.trouble.since) == ("is on fire", since)
            assert {*finder.seen()} == {OWN, B}
            script.fails = ""
            await until(lambda: not finder.trouble, "all is well again")

        with caplog.at_level(logging.INFO):
            run(script, story)
        assert [one.getMessage() for one in caplog.records] == [
            "test://it is on fire. This node goes on without it, and tries again",
            "test://it answers again",
        ]

    def test_finds_others_where_it_may_read_and_not_write(self) -> None:
        script = Script()
        script.forbids_writing = True

        async def story(finder: Finder) -> None:
            await until(lambda: finder.seen(), "it has looked")
            assert finder.trouble is not None
            assert "not write" in finder.trouble.why

        run(script, story)

    def test_gives_up_a_call_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ratchet_server.peering.registry.finder.CALL_S", 0.1)
        script = Script()
        script.hangs = True

        async def story(finder: Finder) -> None:
            await until(lambda: finder.trouble, "it notices")
            script.hangs = False
            await until(finder.has_looked, "it has looked")

        run(script, story)

    def test_does_not_wait_for_a_registry_when_the_node_stops(self) -> None:
        script = Script()

        async def story(finder: Finder) -> None:
            await until(finder.has_looked, "it has looked")
            script.hangs = True

        began = time.monotonic()
        run(script, story)
        assert time.monotonic() - began < WITHDRAW_S + port.CALL_S
        assert script.is_closed

    def test_stops_while_it_announces_for_the_first_time(self) -> None:
        script = Script()

        async def story(_finder: Finder) -> None:
            script.hangs = True
            await asyncio.sleep(0.05)
            script.hangs = False

        run(script, story)
        assert script.is_closed

    @pytest.mark.parametrize(
        ("entry", "why"),
        [
            (Address("http://0.0.0.0:1", "c", "c" * 16), "means all addresses"),
            (Address("http://[::]:1", "c", "c" * 16), "means all addresses"),
            (Address("http://10.0.0.3:0", "c", "c" * 16), "port 0"),
            (Address("10.0.0.3:1", "c", "c" * 16), "an address is http://host:port"),
            (Address("http://10.0.0.3:1/x", "c", "c" * 16), "an address is http://host:port"),
            (Address("http://10.0.0.3:1", "C", "c" * 16), "a node name is"),
            (Address("http://10.0.0.3:1", "c", "../../etc"), "16 hex digits"),
            (read("c" * 16, "\x00\xff"), "an address is http://host:port"),
            (read("c" * 16, "[" * 100_000), "an address is http://host:port"),
            (read("c" * 16, '{"url": 5, "node": {}}'), "an address is http://host:port"),
            (read("c" * 16, "7"), "an address is http://host:port"),
        ],
    )
    def test_leaves_out_a_bad_entry_with_a_word_and_takes_the_good_ones(
        self, entry: Address, why: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        script = Script()
        script.holds = {entry, B}

        async def story(finder: Finder) -> None:
            await until(lambda: script.looks > 2, "it has looked thrice")
            assert {*finder.seen()} == {OWN, B}

        run(script, story)
        (line,) = (one.getMessage() for one in caplog.records)
        assert "leaves out" in line
        assert why in line

    def test_reads_what_it_has_written(self) -> None:
        assert read(B.process or "", written(B)) == B

    def test_uses_a_bounded_number_of_addresses(self, caplog: pytest.LogCaptureFixture) -> None:
        script = Script(announces=False)
        script.holds = {Address(f"http://10.0.1.{n}:{m}") for n in range(100) for m in (1, 2, 3)}

        async def story(finder: Finder) -> None:
            await until(finder.has_looked, "it has looked")
            first = {*finder.seen()}
            assert len(first) == MOST
            script.holds = {*script.holds}
            await until(lambda: script.looks > 2, "it has looked again")
            assert {*finder.seen()} == first

        run(script, story)
        assert f"has 300 addresses; this node uses {MOST}" in caplog.text

    def test_keeps_both_processes_of_a_name(self) -> None:
        script = Script()
        twin = Address("http://10.0.0.3:1", "b", "c" * 16)
        script.holds = {B, twin}

        async def story(finder: Finder) -> None:
            await until(finder.has_looked, "it has looked")
            assert {*finder.seen()} == {OWN, B, twin}

        run(script, story)


class TestARegistryThatOthersMaintain:
    def test_has_not_looked_before_it_finds_an_address(self) -> None:
        script = Script(announces=False)
        script.holds = set()

        async def story(finder: Finder) -> None:
            await until(lambda: script.looks > 1, "it looks")
            assert not finder.has_looked()
            script.holds = {Address(B.url)}
            await until(finder.has_looked, "it has looked")

        run(script, story)

    def test_expects_a_node_at_an_address_for_ten_minutes(self) -> None:
        script, now = Script(announces=False), [0.0]
        script.holds = {Address(B.url)}

        async def story(finder: Finder) -> None:
            await until(finder.has_looked, "it has looked")
            assert [*finder.expected()] == [B.url]
            now[0] = SHARED_S + 1
            # It is still dialled.
            assert finder.seen()
            assert not finder.expected()
            script.holds.add(Address("http://10.0.0.3:1"))
            await until(lambda: finder.expected(), "the new one is expected")
            assert [*finder.expected()] == ["http://10.0.0.3:1"]

        run(script, story, clock=lambda: now[0])
