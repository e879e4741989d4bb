"""The lesson in a real browser: its buttons do there what the core does here."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Route,
    ViewportSize,
    expect,
)

from e2e.audit import Audit
from e2e.cluster import Cluster
from e2e.conftest import ARTEFACTS, NewViewer
from e2e.viewer import Viewer

BROWSER: Final = Path(__file__).parents[1] / "browser"
STORIES: Final = ("slots", "larger", "cut", "restart", "reload", "forget")
SLOW_CPU: Final = 4

Play = Callable[[list[str], bool], dict[str, Any]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs the lesson in this Python: play(orders, whether to start anew) -> its answer."""
    monkeypatch.syspath_prepend(str(BROWSER))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    stage = importlib.import_module("src.learn.lesson").Stage()

    def ordered(orders: list[str], afresh: bool) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(stage.play(json.dumps(orders), afresh))
        return answer

    return ordered


@pytest.fixture
def learner(new_viewer: NewViewer, cluster: Cluster) -> Page:
    """A person who wants no motion, has opened the lesson, and has waited until it is ready."""
    viewer = new_viewer()
    viewer.page.emulate_media(reduced_motion="reduce")
    return opened(viewer, cluster)


def opened(viewer: Viewer, cluster: Cluster) -> Page:
    viewer.page.goto(f"{cluster.url}/learn")
    expect(viewer.page.locator(".learn")).to_have_attribute("data-lesson", "ready")
    stands_still(viewer.page)
    return viewer.page


def stands_still(page: Page) -> None:
    """Wait until the page has drawn all orders."""
    expect(page.locator(".learn")).to_have_attribute("data-stage", "still")


def steps(page: Page, story: str) -> list[Locator]:
    """The buttons of a story's steps."""
    return page.get_by_test_id(story).locator(".step").all()


def press(button: Locator) -> None:
    button.click()
    stands_still(button.page)


def order(page: Page, do: str) -> Locator:
    """One of the buttons that can be pressed at any time."""
    return page.locator(f'.choices [data-do="{do}"]')


def said(step: Locator) -> tuple[str, str]:
    """The sentences below a step: one on the counter, one on the naive way."""
    below = step.locator("xpath=following-sibling::p")
    expect(below).to_be_visible()
    real, naive = (below.locator(f".{way}").text_content() or "" for way in ("real", "naive"))
    return real, naive


def drawn(page: Page) -> dict[str, Any]:
    """What the page shows: both numbers, both bars and the state of every row, and the truth."""
    seen: dict[str, Any] = page.evaluate(
        """() => {
            const bar = (row, way) => ({
                value: Number(row.querySelector(`.sum.${way} .n`).textContent),
                parts: [...row.querySelectorAll(`.meter.${way} .part`)].map((part) => [
                    part.querySelector('.of').textContent,
                    Number(part.querySelector('.n').textContent),
                    part.hasAttribute('data-closed'),
                ]),
            });
            const rows = [...document.querySelectorAll('.row')].map((row) => [row.dataset.row, {
                real: bar(row, 'real'),
                naive: bar(row, 'naive'),
                cut: row.hasAttribute('data-cut'),
                dead: row.hasAttribute('data-dead'),
            }]);
            const truth = Number(document.querySelector('.truth span').dataset.value);
            return {truth, ...Object.fromEntries(rows)};
        }"""
    )
    return seen


def expected(scene: dict[str, Any], way: str) -> dict[str, Any]:
    """What `drawn` must return for a scene."""

    def bar(one: dict[str, Any]) -> dict[str, Any]:
        parts = [[part["name"], part["views"], part["closed"]] for part in one["parts"]]
        return {"value": one["value"], "parts": parts}

    naive = scene["naive"][way]
    rows = {
        name: {
            "real": bar(node["bar"]),
            "naive": bar(naive["nodes"][name]),
            "cut": node["cut"],
            "dead": not node["running"],
        }
        for name, node in scene["nodes"].items()
    }
    page = {"real": bar(scene["page"]["bar"]), "naive": bar(naive["page"])}
    return {"truth": scene["truth"], **rows, "page": {**page, "cut": False, "dead": False}}


# -- the stories ---------------------------------------------------------------------------


def test_every_step_shows_and_says_exactly_what_the_core_makes_of_it(
    learner: Page, play: Play
) -> None:
    assert drawn(learner) == expected(play([], True)["scenes"][-1], "larger")
    for story in STORIES:
        way = learner.get_by_test_id(story).get_attribute("data-way") or ""
        for number, step in enumerate(steps(learner, story)):
            written = step.locator("xpath=following-sibling::p").locator("span").all_text_contents()
            answer = play([step.get_attribute("data-do") or ""], number == 0)
            press(step)
            assert drawn(learner) == expected(answer["scenes"][-1], way)
            assert said(step) == (answer["said"], answer["naive"][way]) == tuple(written)
            expect(learner.get_by_test_id("spoken")).to_contain_text(answer["said"])
        rows = learner.locator(".row:not([data-dead]) .sum.naive")
        if story != "reload":
            # Here the naive nodes are right in the end, but their page has fallen on the way.
            assert rows.evaluate_all("sums => sums.some(sum => sum.dataset.off)"), story


def test_the_naive_page_falls_on_a_reload_and_the_real_one_does_not(learner: Page) -> None:
    for step in steps(learner, "reload")[:2]:
        press(step)
    page = learner.get_by_test_id("row-page")
    expect(page.locator(".sum.real .n")).to_have_text("10")
    expect(page.locator(".sum.naive .n")).to_have_text("7")
    expect(page.locator(".meter.naive .fallen")).to_have_text("was 10")
    expect(page.get_by_role("img", name="page, naive: 7, 3 too few")).to_be_visible()
    assert said(steps(learner, "reload")[1])[1] == "The page falls from 10 to 7."


def test_a_step_pressed_out_of_turn_plays_its_story_up_to_it(learner: Page, play: Play) -> None:
    whole = [step.get_attribute("data-do") or "" for step in steps(learner, "cut")]
    press(order(learner, "count b"))
    press(steps(learner, "cut")[3])
    assert drawn(learner) == expected(play(whole, True)["scenes"][-1], "latest")
    # Go back to an earlier step: the later steps have not happened yet.
    press(steps(learner, "cut")[1])
    assert drawn(learner) == expected(play(whole[:2], True)["scenes"][-1], "latest")
    expect(steps(learner, "cut")[1]).to_have_attribute("data-done", "")
    assert steps(learner, "cut")[2].get_attribute("data-done") is None


def test_what_comes_of_an_order_is_drawn_in_two_moments(
    new_viewer: NewViewer, cluster: Cluster
) -> None:
    page = opened(new_viewer(), cluster)
    # Every number that node b has shown, in order.
    page.evaluate(
        """() => {
            const number = document.querySelector('[data-row="b"] .sum.real .n');
            const own = document.querySelector('[data-row="a"] .sum.real .n');
            window.seen = [];
            new MutationObserver(() => seen.push([own.textContent, number.textContent].join()))
                .observe(document.querySelector('.rows'), {subtree: true, childList: true,
                    characterData: true});
        }"""
    )
    press(steps(page, "slots")[0])
    moments: list[str] = page.evaluate("[...new Set(seen)]")
    assert moments[0] == "8,7"
    assert moments[-1] == "8,8"


# -- as one likes ----------------------------------------------------------------------------


def test_every_free_button_does_what_it_says(learner: Page, play: Play) -> None:
    play([], True)
    way = learner.get_by_test_id("way")
    for do in (
        "count a",
        "cut b",
        "count b",
        "again",
        "reload b",
        "kill c",
        "wipe c",
        "retire c",
        "heal b",
        "wait",
        "start c",
        "count c",
        "reload c",
    ):
        answer = play([do], False)
        press(order(learner, do))
        assert drawn(learner) == expected(answer["scenes"][-1], way.input_value()), do
        expect(learner.get_by_test_id("happened").locator(".real")).to_have_text(answer["said"])
        can = learner.locator('.choices [data-do]:not([aria-disabled="true"])')
        offered = can.evaluate_all("buttons => buttons.map(button => button.dataset.do)")
        assert {one for one in offered if one} == {*answer["possible"]}
    for other in ("latest", "adding", "names", "larger"):
        way.select_option(other)
        assert drawn(learner) == expected(answer["scenes"][-1], other)
        naive = learner.get_by_test_id("happened").locator(".naive")
        expect(naive).to_have_text(answer["naive"][other])
    press(learner.get_by_role("button", name="start over"))
    assert drawn(learner) == expected(play([], True)["scenes"][-1], "larger")


def test_it_is_played_with_the_keyboard_and_heard(learner: Page) -> None:
    first, second = steps(learner, "slots")
    first.focus()
    for step in (first, second):
        expect(step).to_be_focused()
        learner.keyboard.press("Enter")
        stands_still(learner)
        learner.keyboard.press("Tab")
    expect(learner.get_by_role("status")).to_contain_text("All three say 10. Naive: All three")
    expect(
        learner.get_by_role("img", name="b, the counter: 10; a@1 5; b@1 3; c@1 2")
    ).to_be_visible()
    expect(learner.get_by_role("img", name="b, naive: 9, 1 too few")).to_be_visible()
    # A button that no longer does anything keeps the focus, and does nothing.
    order(learner, "kill c").click()
    lose = order(learner, "wipe c")
    expect(lose).to_have_attribute("aria-disabled", "false")
    order(learner, "retire c").focus()
    learner.keyboard.press("Enter")
    expect(order(learner, "retire c")).to_have_attribute("aria-disabled", "true")
    expect(order(learner, "retire c")).to_be_focused()
    before = drawn(learner)
    learner.keyboard.press("Enter")
    stands_still(learner)
    assert drawn(learner) == before


# -- where things are poor -------------------------------------------------------------------


def test_a_slow_machine_shows_the_same(new_viewer: NewViewer, cluster: Cluster, play: Play) -> None:
    viewer = new_viewer()
    browser = viewer.page.context.new_cdp_session(viewer.page)
    browser.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_CPU})
    page = opened(viewer, cluster)
    whole = [step.get_attribute("data-do") or "" for step in steps(page, "cut")]
    for step in steps(page, "cut"):
        # Press impatiently: don't wait until the order before is drawn.
        step.click()
    stands_still(page)
    answer = play(whole, True)
    assert drawn(page) == expected(answer["scenes"][-1], "latest")
    assert said(steps(page, "cut")[3])[0] == answer["said"]


def test_a_later_visit_starts_from_what_the_first_has_kept_and_shows_the_same(
    new_viewer: NewViewer, cluster: Cluster, play: Play
) -> None:
    viewer = new_viewer()
    page = opened(viewer, cluster)
    expect(page.locator(".learn")).to_have_attribute("data-how", "plain")
    page.evaluate(
        """async () => {
            while (!(await caches.keys()).length) await new Promise(requestAnimationFrame);
            const cache = await caches.open((await caches.keys())[0]);
            while (!(await cache.keys()).length) await new Promise(requestAnimationFrame);
        }"""
    )
    opened(viewer, cluster)
    expect(page.locator(".learn")).to_have_attribute("data-how", "snapshot")
    press(steps(page, "forget")[4])
    whole = [step.get_attribute("data-do") or "" for step in steps(page, "forget")]
    assert drawn(page) == expected(play(whole, True)["scenes"][-1], "names")


def test_without_scripts_all_of_the_text_is_there(
    browser: Browser, kept: list[BrowserContext], cluster: Cluster
) -> None:
    plain = browser.new_context(java_script_enabled=False, locale="en-US")
    kept.append(plain)
    page = plain.new_page()
    page.goto(f"{cluster.url}/learn")
    for story in STORIES:
        for step in steps(page, story):
            real, naive = said(step)
            assert real.endswith(".")
            assert naive.endswith(".")
    expect(page.get_by_test_id("progress")).to_contain_text("needs JavaScript")
    expect(page.get_by_test_id("play")).to_be_hidden()
    for row in ("a", "b", "c", "page"):
        expect(page.get_by_test_id(f"row-{row}").locator(".meter.real .part")).to_have_count(3)


def test_where_python_does_not_come_it_says_so_and_tells_all(
    new_viewer: NewViewer, cluster: Cluster
) -> None:
    page = new_viewer().page

    def refuse(route: Route) -> None:
        route.abort()

    page.context.route("**/pyodide/**", refuse)
    page.goto(f"{cluster.url}/learn")
    expect(page.get_by_test_id("progress")).to_contain_text("can’t run in this browser")
    expect(page.locator(".learn")).to_have_attribute("data-lesson", "failed")
    assert said(steps(page, "forget")[3])[1] == "Both say 9: 2 too many."
    expect(steps(page, "slots")[0]).to_be_disabled()


@pytest.mark.parametrize("width", [1280, 390])
def test_how_it_looks(
    browser: Browser, kept: list[BrowserContext], cluster: Cluster, width: int
) -> None:
    opened_by = browser.new_context(
        viewport=ViewportSize(width=width, height=844),
        reduced_motion="reduce",
        locale="en-US",
    )
    kept.append(opened_by)
    viewer = Viewer(opened_by)
    audit = Audit(viewer.page)
    page = opened(viewer, cluster)
    assert audit.shifts() == []
    folder = ARTEFACTS / "learn"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{width}-1-ready.png")
    for number, (story, until) in enumerate(
        [("slots", 2), ("cut", 3), ("restart", 4), ("reload", 3), ("forget", 3), ("forget", 5)], 2
    ):
        for step in steps(page, story)[:until]:
            press(step)
            # The stage must not cover the pressed button, nor the sentence below it.
            step.focus()
            if width < 960:
                top = page.get_by_test_id("stage").bounding_box()
                below = step.bounding_box()
                assert top
                assert below
                assert below["y"] >= top["y"] + top["height"] - 1, story
        page.screenshot(path=folder / f"{width}-{number}-{story}-{until}.png")
    press(order(page, "kill b"))
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=folder / f"{width}-{scheme}-9-play.png")
        assert audit.violations() == [], scheme
    assert not viewer.complaints
