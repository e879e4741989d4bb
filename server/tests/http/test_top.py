"""The most viewed videos: always what sorting all of them would give."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path

import httpx
import pytest
from ratchet_server.http import top
from ratchet_server.http.top import Top

from testing.nodes import Node, wait_until


def ranked(views: Counter[str]) -> list[str]:
    return [video for _, video in sorted((-many, video) for video, many in views.items())]


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few are kept that forty videos take many looks."""
    monkeypatch.setattr(top, "KEPT", 5)
    monkeypatch.setattr(top, "CHUNK", 7)
    monkeypatch.setattr(top, "FRESH_S", 0.0)


def of(views: Mapping[str, int]) -> Callable[[Iterable[str]], Iterable[int]]:
    """The numbers of some of these videos."""
    return lambda some: map(views.__getitem__, some)


class TestTheFirst:
    @pytest.mark.usefixtures("_few")
    def test_are_those_that_sorting_all_would_give(self) -> None:
        chance = random.Random(7)
        ids = [f"x{number}" for number in range(40)]

        async def story() -> None:
            for _ in range(50):
                views: Counter[str] = Counter()
                found = Top(of(views), tuple)
                for _ in range(20):
                    # Few of many videos, so that some don't change for long.
                    changed = chance.choices(ids, k=chance.randrange(30))
                    views.update(changed)
                    found.changed(changed)
                    assert await found.first() == ranked(views)[:5]

        asyncio.run(story())

    @pytest.mark.usefixtures("_few")
    def test_are_of_the_videos_that_the_node_shows_now(self) -> None:
        """Also where the most viewed of all are none of them."""
        chance = random.Random(7)
        ids = [f"x{number}" for number in range(40)]

        async def story() -> None:
            for _ in range(50):
                views: Counter[str] = Counter()
                named: tuple[Set[str], ...] = ({*ids}, {"y"})
                # It has to see each change of `named`, and ends with this turn of the loop.
                found = Top(of(views), lambda: named)  # noqa: B023
                for _ in range(20):
                    changed = chance.choices(ids, k=chance.randrange(30))
                    views.update(changed)
                    found.changed(changed)
                    if chance.random() < 0.3:
                        named = ({*chance.sample(ids, 10)}, {*chance.sample(ids, 3)})
                    if chance.random() < 0.7:
                        shown = Counter({x: views[x] for x in named[0] | named[1] if views[x]})
                        assert await found.first() == ranked(shown)[:5]

        asyncio.run(story())

    def test_are_found_while_many_change_and_nobody_asks(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(top, "KEPT", 3)
        monkeypatch.setattr(top, "CHUNK", 10)
        # A result that is used again lacks the last chunk.
        monkeypatch.setattr(top, "FRESH_S", -1.0)
        views = Counter({f"x{number}": 1 + number * 7919 % 1000 for number in range(1000)})

        async def story() -> list[str]:
            found = Top(of(views), tuple)
            running = asyncio.create_task(found.run())
            found.changed(views)
            first = await found.first()
            running.cancel()
            await asyncio.wait((running,))
            return first

        assert asyncio.run(story()) == ranked(views)[:3]


def test_a_node_says_which_videos_are_viewed_most(tmp_path: Path) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        for video in ("b", "a", "c", "a", "c", "a"):
            node.view(video)
        a, c = {"video": "a", "views": 3}, {"video": "c", "views": 2}
        most = "/api/videos?sort=-views"
        assert node.get(most).json() == {"videos": [a, c, {"video": "b", "views": 1}]}
        assert node.get(f"{most}&limit=2").json() == {"videos": [a, c]}
        node.restart()
        assert node.get(f"{most}&limit=2").json() == {"videos": [a, c]}


def test_a_changed_list_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "videos"
    file.write_text("fern\nmoss")
    with Node("a", tmp_path, flags=["--videos", str(file)]) as node:
        node.start()
        for video in ("fern", "fern", "moss"):
            node.view(video)
        fern, moss = {"video": "fern", "views": 2}, {"video": "moss", "views": 1}
        most = "/api/videos?sort=-views"
        assert node.get(most).json() == {"videos": [fern, moss]}
        for text, found in (("moss", [moss]), ("moss\nfern\nreef", [fern, moss])):
            file.write_text(text)
            os.kill(node.pid, signal.SIGHUP)
            many = len(text.split())

            def is_read(many: int = many) -> bool:
                return len(node.get("/api/videos").json()["videos"]) == many

            wait_until(is_read, "the list is read")
            assert node.get(most).json() == {"videos": found}


@pytest.mark.parametrize("query", ["sort=views", "sort=-views&sort=x", "sort=-views&after=x"])
def test_another_order_is_refused(http: httpx.Client, query: str) -> None:
    answer = http.get(f"/api/videos?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_sort")
