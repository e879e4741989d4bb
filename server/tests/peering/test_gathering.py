"""Gathering: a push that comes alone leaves at once, and those that follow it leave together."""

import asyncio

import pytest
from ratchet_server.peering.bus import gathering as module
from ratchet_server.peering.bus.gathering import Gathering

from testing.transports import until


def gathering(most: int = 1000) -> tuple[Gathering, list[str]]:
    """One that is allowed so many characters, and what it has published."""
    published: list[str] = []
    made = Gathering(published.append)
    made.most = most
    return made, published


def test_a_lone_push_leaves_at_once_and_those_after_it_together() -> None:
    async def story() -> None:
        pushes, published = gathering()
        for text in "abc":
            pushes.add(text)
        assert published == ["a"]
        await until(lambda: len(published) > 1, "the others have left")
        assert published == ["a", "b\nc"]
        for text in "de":
            pushes.add(text)
        # The pause began again.
        assert len(published) == 2
        await until(lambda: len(published) > 2, "the others have left")
        assert published[2] == "d\ne"

    asyncio.run(story())


def test_after_a_pause_without_pushes_one_is_alone_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # Shorter than `until` waits between its looks.
    monkeypatch.setattr(module, "GATHER_S", 0.001)

    async def story() -> None:
        pushes, published = gathering()

        def is_alone() -> bool:
            before = len(published)
            pushes.add("a")
            return len(published) > before

        assert is_alone()
        assert not is_alone()
        await until(is_alone, "the pause ends")

    asyncio.run(story())


def test_no_message_is_larger_than_allowed_but_one_frame_may_be() -> None:
    async def story() -> None:
        pushes, published = gathering(most=8)
        for text in ("a", "bbb", "ccc", "d", "e" * 20, "f"):
            pushes.add(text)
        pushes.flush()
        assert published == ["a", "bbb\nccc", "d", "e" * 20, "f"]

    asyncio.run(story())


def test_one_that_has_stopped_publishes_nothing() -> None:
    async def story() -> None:
        pushes, published = gathering()
        pushes.add("a")
        pushes.add("b")
        pushes.stop()
        pushes.flush()
        assert published == ["a"]

    asyncio.run(story())
