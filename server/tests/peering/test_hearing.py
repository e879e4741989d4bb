"""Hearing: which processes are there, by a clock that the test sets."""

from dataclasses import dataclass, field
from typing import Final

import pytest
from ratchet_server.peering.bus.envelope import Envelope, Kind
from ratchet_server.peering.bus.freshness import LATE_S
from ratchet_server.peering.bus.hearing import HAIL_S, MOST, SILENT_BEATS, Heard, Hearing

ME, A, B = "0" * 16, "a" * 16, "b" * 16
# How long A had been up when this process began.
AHEAD_S: Final = 1000.0


@dataclass
class World:
    """One process's hearing. What others send comes at once, unless the test says when."""

    now: float = 0.0
    hailed: list[str] = field(default_factory=list)
    hearing: Hearing = field(init=False)

    def __post_init__(self) -> None:
        self.hearing = Hearing(
            hail=self.hailed.append,
            now_stamp=lambda: int(self.now * 1e6),
            clock=lambda: self.now,
        )

    def comes(
        self,
        kind: Kind = Kind.BEAT,
        *,
        sender: str = A,
        to: str | None = None,
        sent: float | None = None,
        asked: float | None = None,
        part: int = 1,
        parts: int = 1,
    ) -> Heard | None:
        """A message of `sender` comes, which it sent at `sent`, in answer to a hail of `asked`.
        Returns the process if the message is new and in time."""
        stamp = int((AHEAD_S + (self.now if sent is None else sent)) * 1e6)
        echo = None if asked is None else int(asked * 1e6)
        envelope = Envelope(kind, sender, to, stamp, echo, part, parts, b"")
        heard = self.hearing.hear(envelope)
        return heard if heard and self.hearing.is_in_time(heard, envelope) else None

    def answers(self, *, sender: str = A, asked: float, sent: float | None = None) -> Heard | None:
        """A welcome comes."""
        return self.comes(Kind.WELCOME, sender=sender, to=ME, asked=asked, sent=sent)

    def meets(self, sender: str = A) -> Heard:
        """`sender` is heard, hailed, answers, and enters."""
        self.comes(sender=sender)
        asked = self.now
        self.now += 0.01
        heard = self.answers(sender=sender, asked=asked)
        assert heard
        self.hearing.enter(heard)
        return heard


@pytest.fixture
def world() -> World:
    return World()


class TestAStranger:
    def test_is_hailed_and_trusted_once_it_answers(self, world: World) -> None:
        assert world.comes() is None
        assert world.hailed == [A]
        world.now = 0.1
        assert world.comes() is None
        world.now = 0.2
        assert world.answers(asked=0.0)
        world.now = 0.3
        assert world.comes()
        # Nobody is there before the transport has admitted it.
        assert not world.hearing.present()

    def test_is_hailed_once_a_second_however_much_it_sends(self, world: World) -> None:
        for tick in range(1000):
            world.now = tick / 100
            world.comes()
        assert len(world.hailed) == 10 / HAIL_S

    @pytest.mark.parametrize("took_s", [LATE_S + 0.1, -0.1])
    def test_that_answers_late_or_too_early_is_not_trusted(
        self, world: World, took_s: float
    ) -> None:
        world.now = 10.0
        assert world.answers(asked=world.now - took_s) is None
        assert world.comes() is None
        assert world.hailed == [A]

    def test_is_not_trusted_by_a_welcome_that_answers_nothing(self, world: World) -> None:
        assert world.comes(Kind.WELCOME, to=ME) is None
        assert world.hailed == [A]


class TestAMessage:
    def test_is_taken_once_and_none_after_a_newer_one(self, world: World) -> None:
        world.meets()
        world.now = 1.0
        assert world.comes(sent=0.9)
        assert not world.comes(sent=0.9)
        assert not world.comes(sent=0.8)
        # What it sends to us alone has an order of its own.
        assert world.comes(Kind.FRAME, to=ME, sent=0.85)
        assert not world.comes(Kind.FRAME, to=ME, sent=0.85)
        assert world.comes(sent=0.95)

    def test_may_come_in_parts_with_one_stamp(self, world: World) -> None:
        world.meets()
        world.now = 1.0
        for part in (2, 3, 1):
            assert world.comes(Kind.FRAME, sent=0.9, part=part, parts=3)
        assert world.comes(sent=0.95)
        assert not world.comes(Kind.FRAME, sent=0.9, part=1, parts=3)

    def test_that_is_late_is_dropped_and_its_process_hailed(self, world: World) -> None:
        world.meets()
        hails = len(world.hailed)
        world.now = 20.0
        assert world.comes(sent=20.0 - LATE_S - 0.1) is None
        assert len(world.hailed) == hails + 1
        # It is still there: the next ones may be in time.
        assert world.hearing.present()
        assert world.comes(sent=20.0)


class TestAPresentProcess:
    def test_leaves_when_it_was_silent_for_four_beats_of_ours(self, world: World) -> None:
        heard = world.meets()
        # This machine may sleep meanwhile, and nobody was silent.
        world.now += 1000.0
        for _ in range(SILENT_BEATS):
            assert not world.hearing.beat()
        assert world.hearing.beat() == [heard]
        world.hearing.leave(heard)
        assert not world.hearing.present()
        assert not world.hearing.beat()

    def test_stays_while_it_is_heard(self, world: World) -> None:
        world.meets()
        for _ in range(10 * SILENT_BEATS):
            world.now += 1.0
            assert world.comes()
            assert not world.hearing.beat()

    def test_that_sends_only_late_messages_is_silent(self, world: World) -> None:
        heard = world.meets()
        for _ in range(SILENT_BEATS):
            world.now += 10.0
            world.comes(sent=world.now - 2 * LATE_S)
            assert not world.hearing.beat()
        assert world.hearing.beat() == [heard]

    def test_that_has_left_is_trusted_again_at_once(self, world: World) -> None:
        world.hearing.leave(world.meets())
        hails = len(world.hailed)
        world.now = 100.0
        assert world.comes()
        assert len(world.hailed) == hails


class TestAnAnswer:
    def test_is_awaited_for_a_second(self, world: World) -> None:
        assert not world.hearing.unanswered()
        world.comes()
        assert world.hearing.unanswered()
        world.now = HAIL_S
        assert not world.hearing.unanswered()

    def test_of_one_that_is_refused_is_an_answer(self, world: World) -> None:
        world.comes()
        world.now = 0.1
        heard = world.answers(asked=0.0)
        assert heard
        assert not world.hearing.unanswered()
        # It belongs to another cluster. It is asked again when it has rested.
        world.hearing.rest(heard, 3.0)
        hails = len(world.hailed)
        for now in (0.2, 1.5, 3.0):
            world.now = now
            world.hearing.ask(heard)
        assert len(world.hailed) == hails
        world.now = 3.1
        world.hearing.ask(heard)
        assert len(world.hailed) == hails + 1


def test_thousands_of_processes_are_forgotten_but_those_that_are_there(world: World) -> None:
    heard = world.meets(B)
    senders = [f"{number:016x}" for number in range(2 * MOST)]
    for sender in (*senders, senders[0], senders[-1]):
        world.comes(sender=sender)
    # The first one is a stranger again, and the last one was hailed just now.
    assert world.hailed.count(senders[0]) == 2
    assert world.hailed.count(senders[-1]) == 1
    assert world.hearing.present() == {B: heard}
    world.now = 1.0
    assert world.comes(sender=B) is heard
