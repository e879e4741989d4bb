"""Views by day: what a node answers, also over midnight."""

import re
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from testing.nodes import Node, wait_until

DAY_S: Final = 86_400
# A clock that is wrong by a number of seconds. It stands in for waiting until midnight.
CLOCK: Final = """
import time

_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {shift_s}
time.time_ns = lambda: _time_ns() + {shift_s} * 10**9
"""


def days(node: Node, video: str) -> dict[str, int]:
    """The views of `video` on each day."""
    answer = node.get(f"/api/videos/{video}/days")
    assert answer.status_code == 200, answer.text
    return {one["day"]: one["views"] for one in answer.json()["days"]}


def slot_day(node: Node) -> int:
    """The day of the slot in which the node counts."""
    state: dict[str, Any] = node.get("/api/node").json()
    return int(state["generation"]) // (DAY_S * 10**6)


@pytest.fixture
def alone(tmp_path: Path) -> Node:
    return Node("a", tmp_path)


class TestANode:
    def test_says_how_often_a_video_was_viewed_today(self, alone: Node) -> None:
        with alone:
            alone.start()
            before = datetime.now(UTC).date()
            for _ in range(3):
                alone.view("tide")
            answer = alone.get("/api/videos/tide/days").json()
            today = date.fromisoformat(answer["today"])
            assert before <= today <= datetime.now(UTC).date()
            assert date.fromisoformat(answer["first"]) == today - timedelta(days=29)
            assert sum(one["views"] for one in answer["days"]) == 3
            # It is there after a crash, too.
            alone.kill9()
            alone.start()
            assert sum(days(alone, "tide").values()) == 3

    def test_says_that_nobody_has_viewed_a_video(self, alone: Node) -> None:
        with alone:
            alone.start()
            assert days(alone, "never") == {}

    def test_sorts_by_the_views_of_today(self, alone: Node) -> None:
        with alone:
            alone.start()
            for video, views in (("tide", 2), ("moss", 3), ("fern", 1)):
                for _ in range(views):
                    alone.view(video)

            def top() -> list[tuple[str, int]]:
                found = alone.get("/api/videos?sort=-today&limit=2").json()["videos"]
                return [(one["video"], one["today"]) for one in found]

            wait_until(lambda: top() == [("moss", 3), ("tide", 2)], "the first two of today")

    def test_keeps_no_days_if_its_operator_wants_none(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, environ={"RATCHET_DAYS": "0"}) as node:
            node.start()
            node.view("tide")
            answer = node.get("/api/videos/tide/days").json()
            assert answer["days"] == []
            assert answer["first"] > answer["today"]

    @pytest.mark.parametrize(("kept", "bars"), [("0", 0), ("3", 3), ("40", 30)])
    def test_shows_no_bar_for_a_day_of_which_it_does_not_know(
        self, tmp_path: Path, kept: str, bars: int
    ) -> None:
        (tmp_path / "clips").mkdir()
        (tmp_path / "clips" / "tide.webm").write_bytes(b"tide")
        flags = ("--media", str(tmp_path / "clips"))
        with Node("a", tmp_path, flags=flags, environ={"RATCHET_DAYS": kept}) as node:
            node.start()
            # Once it counts, it knows which days it keeps.
            node.view("tide")
            page = node.get("/watch/tide").text
            found = re.findall('<rect data-views="[01]" x="([0-9]+)"', page)
            # Today is at the right.
            assert found == [str(4 * at) for at in range(30 - bars, 30)]

    @pytest.mark.parametrize("path", ["/api/videos/no%20id/days", "/api/videos/unknown/days"])
    def test_names_what_is_wrong_with_a_video(self, tmp_path: Path, path: str) -> None:
        with Node("a", tmp_path, flags=()) as node:
            node.start()
            assert node.get(path).status_code in {400, 404}

    def test_answers_304_while_nothing_has_changed(self, alone: Node) -> None:
        with alone:
            alone.start()
            alone.view("tide")
            first = alone.get("/api/videos/tide/days")
            again = {"If-None-Match": first.headers["etag"]}
            assert alone.get("/api/videos/tide/days", headers=again).status_code == 304
            alone.view("tide")
            assert alone.get("/api/videos/tide/days", headers=again).status_code == 200


class TestMidnight:
    def test_divides_the_views_and_a_fold_and_a_new_node_keep_that(self, tmp_path: Path) -> None:
        """Real processes, whose clocks show a time shortly before midnight."""
        (tmp_path / "clock").mkdir()
        before_s = 8
        while True:
            shift_s = DAY_S - int(time.time()) % DAY_S - before_s
            yesterday = int(time.time() + shift_s) // DAY_S
            (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK.format(shift_s=shift_s))
            environ = {"PYTHONPATH": str(tmp_path / "clock"), "RATCHET_FOLD_GRACE": "1"}
            folder = tmp_path / f"{before_s}"
            folder.mkdir()
            with (
                Node("a", folder, environ=environ) as a,
                Node("b", folder, peers=[a.url], environ=environ) as b,
                Node("c", folder, peers=[a.url], environ=environ) as c,
            ):
                a.start()
                b.start()
                for node, views in ((a, 3), (b, 2)):
                    for _ in range(views):
                        node.view("tide")
                if slot_day(a) == yesterday and slot_day(b) == yesterday:
                    self._over_midnight([a, b], c, yesterday)
                    return
            # This machine is so slow that midnight came first.
            before_s *= 2

    def _over_midnight(self, nodes: list[Node], late: Node, yesterday: int) -> None:
        wait_until(
            lambda: all(slot_day(node) == yesterday + 1 for node in nodes),
            "all count in a slot of the new day",
            timeout_s=120,
        )
        for node in nodes:
            node.view("tide")
        then = date(1970, 1, 1) + timedelta(days=yesterday)
        expected = {then.isoformat(): 5, (then + timedelta(days=1)).isoformat(): 2}
        wait_until(
            lambda: all(days(node, "tide") == expected for node in nodes), "each view has its day"
        )

        def folded(node: Node) -> bool:
            state = node.get("/api/node").json()
            return all(
                state["folded"].get(name, 0) // (DAY_S * 10**6) == yesterday for name in "ab"
            )

        wait_until(lambda: all(map(folded, nodes)), "the slots of yesterday are folded")
        assert [days(node, "tide") for node in nodes] == [expected] * 2
        late.start()
        assert days(late, "tide") == expected
        nodes[0].kill9()
        nodes[0].start()
        assert days(nodes[0], "tide") == expected
        assert nodes[0].views("tide") == 7
        top = nodes[0].get("/api/videos?sort=-today").json()["videos"]
        assert [(one["video"], one["views"], one["today"]) for one in top] == [("tide", 7, 2)]
        assert "another slot" not in nodes[0].log
