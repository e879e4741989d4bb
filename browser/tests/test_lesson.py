"""The lesson: the text on its page is true, and its counter is right for any orders."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from src.learn.lesson import Impossible, Lesson, Stage
from src.learn.naive import WAYS
from src.learn.scene import Scene

PAGE: Final = Path(__file__).parents[1] / "page"


class Step(NamedTuple):
    """One button of a story, and the text below it."""

    story: str
    way: str
    order: str
    said: str
    naive: str


class _Stories(HTMLParser):
    """Reads the steps out of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._story, self._way, self._order, self._in = "", "", "", ""
        self._said = {"real": "", "naive": ""}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "section" and "data-way" in given:
            self._story, self._way = given["aria-labelledby"], given["data-way"]
        elif given.get("class") == "step":
            self._order, self._said = given["data-do"], {"real": "", "naive": ""}
        elif tag == "span" and self._order:
            self._in = given.get("class", "")

    def handle_data(self, data: str) -> None:
        if self._in:
            self._said[self._in] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self._in = ""
        elif tag == "p" and self._order:
            self.steps.append(Step(self._story, self._way, self._order, *self._said.values()))
            self._order = ""


def page() -> str:
    """The lesson's page as a node serves it."""
    templates = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined
    )
    values = {"assets": "/assets/1", "node": "a", "panel": False, "playground": ""}
    return templates.get_template("learn.html").render(**values)


def stories() -> dict[str, list[Step]]:
    """The steps of each story of the page."""
    read = _Stories()
    read.feed(page())
    found: dict[str, list[Step]] = {}
    for step in read.steps:
        found.setdefault(step.story, []).append(step)
    return found


STORIES: Final = stories()


def played(story: str) -> Iterator[tuple[Scene, str]]:
    """The scene after each step, and the naive way that the story compares with."""
    lesson = Lesson()
    for step in STORIES[story]:
        scenes, _, _ = lesson.obey(step.order)
        yield scenes[-1], step.way


def numbers(scene: Scene, way: str) -> tuple[list[int], list[int]]:
    """The numbers of a, b, c and the page: those of the counter, and those of the naive way."""
    naive = scene.naive[way]
    return (
        [*(node.bar.value for node in scene.nodes.values()), scene.page.bar.value],
        [*(bar.value for bar in naive.nodes.values()), naive.page.value],
    )


# -- the stories ---------------------------------------------------------------------------


def test_there_are_six_stories() -> None:
    assert [*STORIES] == ["slots", "larger", "cut", "restart", "reload", "forget"]


@pytest.mark.parametrize("story", STORIES)
def test_the_text_below_each_step_is_what_happens(story: str) -> None:
    lesson = Lesson()
    for step in STORIES[story]:
        _, said, naive = lesson.obey(step.order)
        assert (said, naive[step.way]) == (step.said, step.naive), step.order


# Worked out by hand. All begin with 7 everywhere: 3 at a, 2 at b, 2 at c.
@pytest.mark.parametrize(
    ("story", "truths", "counted", "naive"),
    [
        ("slots", [8, 10], [[8, 8, 8, 8], [10, 10, 10, 10]], [[8, 8, 8, 8], [9, 9, 9, 9]]),
        ("larger", [8, 8], [[8, 8, 8, 8], [8, 8, 8, 8]], [[8, 8, 8, 8], [8, 9, 9, 8]]),
        (
            "cut",
            [7, 10, 12, 12],
            [[7, 7, 7, 7], [7, 7, 10, 7], [9, 9, 10, 9], [12, 12, 12, 12]],
            [[7, 7, 7, 7], [7, 7, 10, 7], [9, 9, 10, 9], [9, 9, 9, 9]],
        ),
        (
            "restart",
            [7, 7, 8, 8],
            [[7, 7, 0, 7], [7, 7, 0, 7], [7, 7, 1, 7], [8, 8, 8, 8]],
            [[7, 7, 0, 7], [7, 7, 0, 7], [7, 7, 1, 7], [7, 7, 7, 7]],
        ),
        (
            "reload",
            [10, 10, 12, 12],
            [[10, 10, 7, 10], [10, 10, 7, 10], [10, 10, 9, 12], [12, 12, 12, 12]],
            [[10, 10, 7, 10], [10, 10, 7, 7], [10, 10, 9, 9], [12, 12, 12, 12]],
        ),
        (
            "forget",
            [7, 7, 7, 7, 7],
            [[7, 7, 7, 7]] * 5,
            [[7, 7, 7, 7]] * 3 + [[9, 9, 7, 7], [9, 9, 7, 9]],
        ),
    ],
)
def test_the_numbers_of_each_story(
    story: str, truths: list[int], counted: list[list[int]], naive: list[list[int]]
) -> None:
    scenes = [*played(story)]
    assert [scene.truth for scene, _ in scenes] == truths
    assert [numbers(scene, way) for scene, way in scenes] == [*zip(counted, naive, strict=True)]
    assert all(scene.lost == 0 for scene, _ in scenes)


def test_a_restart_leaves_a_closed_slot_and_opens_another() -> None:
    *_, (last, _) = played("restart")
    for node in last.nodes.values():
        slots = [(part.name, part.views, part.closed) for part in node.bar.parts]
        assert slots == [("a@1", 3, False), ("b@1", 2, False), ("c@1", 2, True), ("c@2", 1, False)]


def test_forgetting_moves_a_slot_into_the_base_only_when_all_agree() -> None:
    def at_a(scene: Scene) -> list[tuple[str, int]]:
        return [(part.name, part.views) for part in scene.nodes["a"].bar.parts]

    scenes = [scene for scene, _ in played("forget")]
    before, after = [("a@1", 3), ("b@1", 2), ("c@1", 2)], [("base", 2), ("a@1", 3), ("b@1", 2)]
    assert [at_a(scene) for scene in scenes] == [before] * 3 + [after] * 2
    # The page slept meanwhile. It lifts when it learns of the fold.
    page = [[(part.name, part.views) for part in scene.page.bar.parts] for scene in scenes]
    assert page == [before] * 4 + [after]


# -- any orders ------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None, print_blob=True)
@given(st.data(), st.booleans())
def test_no_order_makes_it_count_wrong(data: st.DataObject, disks_are_lost: bool) -> None:
    lesson = Lesson()
    before = lesson.scene()
    for _ in range(data.draw(st.integers(1, 25))):
        possible = [one for one in lesson.possible() if disks_are_lost or "wipe" not in one]
        order = data.draw(st.sampled_from(sorted(possible)))
        if order.startswith("count"):
            order += f" {data.draw(st.integers(1, 4))}"
        scenes, said, naive = lesson.obey(order)
        assert said
        assert all(naive[way] for way in WAYS)
        for scene in scenes:
            check(before, scene, order)
            before = scene
    finish(lesson, disks_are_lost)


def check(before: Scene, after: Scene, order: str) -> None:
    """Check what must hold at every moment."""
    assert after.page.bar.value >= before.page.bar.value, "the page fell"
    assert after.page.bar.value <= after.truth, "the page counts what never was"
    for name, node in after.nodes.items():
        was = before.nodes[name]
        assert node.bar.value <= after.truth, "it counts what never was"
        assert node.bar.value >= was.bar.value or order == f"wipe {name}", "it fell"
        parts = [part.name for part in node.bar.parts]
        assert len(parts) == len({*parts})
        assert node.bar.value == sum(part.views for part in node.bar.parts)


def finish(lesson: Lesson, disks_are_lost: bool) -> None:
    """Start and heal all nodes. Then all must agree: on the truth, if no disk was lost."""
    for name in "abc":
        for order in (f"start {name}", f"heal {name}"):
            if order in lesson.possible():
                lesson.obey(order)
    lost = lesson.scene().lost
    for order in ("again", "wait", "reload a", "reload b", "reload c"):
        scenes, _, _ = lesson.obey(order)
        after = scenes[-1]
        if order == "again":
            # The messages of the last views may bring back what a lost disk had.
            assert after.lost <= lost
            lost = after.lost
        assert {node.bar.value for node in after.nodes.values()} == {after.truth - lost}
        assert after.lost == lost
        assert after.truth - lost <= after.page.bar.value <= after.truth
    if not disks_are_lost:
        assert lost == 0
    # An hour after the last start, only the base and the slots of the running nodes are left.
    for node in after.nodes.values():
        assert not any(part.closed for part in node.bar.parts)


# -- how it is called --------------------------------------------------------------------------


def test_an_order_that_cannot_be_given_is_refused_and_changes_nothing() -> None:
    lesson = Lesson()
    before = lesson.scene()
    for order in (
        "start a",
        "heal a",
        "wipe a",
        "retire a",
        "count",
        "count d",
        "count 3",
        "count a 0",
        "count 3 a",
        "dance",
    ):
        with pytest.raises(Impossible):
            lesson.obey(order)
    assert lesson.scene() == before


def test_the_page_gets_json_and_a_story_that_starts_again_is_the_same() -> None:
    stage = Stage()
    first = json.loads(stage.play(json.dumps(["cut c", "count c 3"]), True))
    assert (first["scenes"][-1]["truth"], first["scenes"][-1]["nodes"]["c"]["cut"]) == (10, True)
    assert "heal c" in first["possible"]
    assert stage.play(json.dumps([]), False)
    assert json.loads(stage.play(json.dumps(["cut c", "count c 3"]), True)) == first
