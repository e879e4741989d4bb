"""What waits on a bus: it is bounded, and nothing waits for long."""

import asyncio

import pytest
from ratchet_server.peering.bus import outbox
from ratchet_server.peering.bus.envelope import HEAD, Envelope, Kind
from ratchet_server.peering.bus.mailbox import MOST_WAITING, Mailbox
from ratchet_server.peering.bus.outbox import Outbox

A, B = "a" * 16, "b" * 16
BIG = bytes(MOST_WAITING // 2)


def envelope(stamp: int, payload: bytes = b"") -> Envelope:
    return Envelope(Kind.FRAME, A, None, stamp, None, 1, 1, payload)


class TestTheMailbox:
    def test_gives_the_first_frame_of_each_process(self) -> None:
        async def story() -> None:
            mailbox = Mailbox()
            for process, text in ((A, b"1"), (A, b"2"), (B, b"3")):
                mailbox.add(process, text)
            assert await mailbox.take() == {A: b"1", B: b"3"}
            assert await mailbox.take() == {A: b"2"}
            taking = asyncio.create_task(mailbox.take())
            await asyncio.sleep(0)
            assert not taking.done()
            mailbox.add(B, b"4")
            assert await taking == {B: b"4"}

        asyncio.run(story())

    def test_drops_what_does_not_fit(self) -> None:
        async def story() -> None:
            mailbox = Mailbox()
            mailbox.add(A, BIG)
            mailbox.add(B, BIG)
            assert mailbox.dropped == 1
            await mailbox.take()
            mailbox.add(B, BIG)
            assert await mailbox.take() == {B: BIG}
            assert mailbox.dropped == 1

        asyncio.run(story())

    def test_has_room_for_so_many_empty_frames(self) -> None:
        mailbox, most = Mailbox(), MOST_WAITING // HEAD
        for _ in range(most + 5):
            mailbox.add(A, b"")
        assert mailbox.dropped == 5
        mailbox.forget(A)
        for _ in range(most):
            mailbox.add(B, b"")
        assert mailbox.dropped == 5


class TestTheOutbox:
    def test_gives_messages_in_their_order(self) -> None:
        async def story() -> None:
            outbox = Outbox()
            for stamp in (1, 2, 3):
                outbox.add(envelope(stamp))
            assert [(await outbox.take()).stamp for _ in range(3)] == [1, 2, 3]

        asyncio.run(story())

    def test_drops_what_does_not_fit(self) -> None:
        async def story() -> None:
            outbox = Outbox()
            for stamp in (1, 2):
                outbox.add(envelope(stamp, BIG))
            assert outbox.dropped == 1
            await outbox.take()
            outbox.add(envelope(3, BIG))
            assert (await outbox.take()).stamp == 3

        asyncio.run(story())

    def test_drops_what_has_waited_for_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def story() -> None:
            waiting = Outbox()
            for stamp in (1, 2):
                waiting.add(envelope(stamp, BIG[:-HEAD]))
            with monkeypatch.context() as patch:
                patch.setattr(outbox, "WAIT_S", -1.0)
                # These two make room.
                waiting.add(envelope(3, BIG[:-HEAD]))
                assert waiting.dropped == 2
            assert (await waiting.take()).stamp == 3

        asyncio.run(story())
