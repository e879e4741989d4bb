"""The demo's debug panel: by clicking, a learner causes the situations of a cluster's life."""

import re
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from e2e.audit import violations
from e2e.conftest import ARTEFACTS
from e2e.test_panel import SCHEMES, brief, look, part, press, sized, why
from e2e.viewer import Viewer
from testing.demo import Demo, running_demo
from testing.nodes import HTTP, wait_until

__all__ = ["sized"]

SHOTS: Final = ARTEFACTS / "panel"
VIDEO: Final = "tide"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def learner(demo: Demo, profile: BrowserContext) -> Iterator[Viewer]:
    """A person who has opened a clip and the panel, in a healthy cluster."""
    demo.mend()
    viewer = Viewer(profile)
    look(viewer, demo.page, VIDEO)
    expect(state(viewer, "c")).to_have_text("serves")
    yield viewer
    assert not viewer.complaints


def row(viewer: Viewer, node: str) -> Locator:
    """A node's line in the panel."""
    return part(viewer, "cluster").locator(f'[data-node="{node}"]')


def state(viewer: Viewer, node: str) -> Locator:
    """The node's state, as the panel shows it."""
    return row(viewer, node).locator(".nodes-state")


def order(viewer: Viewer, what: str, node: str, so: str) -> None:
    """Click a button of the node, and wait until the node has this state."""
    viewer.page.get_by_test_id(f"{what}-{node}").click()
    expect(state(viewer, node)).to_have_text(so)


def shown(viewer: Viewer) -> int:
    """The number that the page shows."""
    return int(viewer.number.get_attribute("data-value") or "0")


def go_to(viewer: Viewer, node: str) -> None:
    """Reload the page from this node, with the panel's own choice."""
    part(viewer, "node-choice").select_option(node)
    press(viewer, "reload-node")
    viewer.page.wait_for_url(f"**node={node}**")
    expect(part(viewer, "node-page")).to_have_text(node)
    expect(part(viewer, "node-socket")).to_have_text(node)


def test_a_stale_reload_by_clicking(learner: Viewer, demo: Demo) -> None:
    expect(part(learner, "node-socket")).to_have_text(re.compile("[abc]"))
    order(learner, "cut", "c", "serves, cut off")
    go_to(learner, "a")
    before = shown(learner)
    # Count it at a node: through the balancer, c could count it.
    demo.view("a", VIDEO)
    learner.merged(before + 1)
    learner.sees(before + 1)

    go_to(learner, "c")
    said = why(learner, "stale")
    slot = HTTP.get(f"{demo.url('a')}/api/node").json()["generation"]
    assert said.startswith(f"{before + 1} is what this browser has merged. Node c, which")
    assert f"says {before}: it has not received 1 view in slot {brief(f'a@{slot}')}, which" in said
    assert "got from node a" in said
    assert set(learner.shown) == {before + 1}

    order(learner, "heal", "c", "serves")
    why(learner, "same")
    learner.received(before + 1, "c")


def test_both_sides_of_a_split_by_clicking(learner: Viewer, demo: Demo) -> None:
    order(learner, "cut", "c", "serves, cut off")
    go_to(learner, "c")
    before = shown(learner)
    learner.merged(before)
    demo.view("c", VIDEO)
    demo.view("a", VIDEO)
    learner.merged(before + 1)
    part(learner, "node-choice").select_option("a")
    press(learner, "pin")
    expect(part(learner, "node-socket")).to_have_text("a")
    # No node has this many views.
    learner.merged(before + 2)
    learner.sees(before + 2)
    assert f"says {before + 1}: it has not received 1 view" in why(learner, "stale")
    order(learner, "heal", "c", "serves")
    why(learner, "same")
    wait_until(lambda: demo.views("b", VIDEO) == before + 2, "b has heard of all")


def test_a_year_away_by_clicking(learner: Viewer, demo: Demo) -> None:
    views = demo.view("a", VIDEO)
    wait_until(lambda: demo.views("c", VIDEO) == views, "c has heard of it")
    learner.sees(views)
    order(learner, "cut", "c", "serves, cut off")
    press_storage_clear(learner)
    go_to(learner, "c")
    old = shown(learner)
    learner.merged(old)
    part(learner, "node-choice").select_option("a")
    press(learner, "pin")
    for _ in range(3):
        demo.view("a", VIDEO)
    learner.merged(old + 3)

    press(learner, "age")
    learner.panel_says("age-said", f"Put back: {old}")
    go_to(learner, "c")
    # The state is as old as the panel says, and so is node c.
    learner.merged(old)
    assert set(learner.shown) <= {old, old + 3}
    assert learner.shown[0] == old
    part(learner, "node-choice").select_option("a")
    press(learner, "pin")
    learner.merged(old + 3)
    learner.sees(old + 3)
    order(learner, "heal", "c", "serves")


def press_storage_clear(viewer: Viewer) -> None:
    """Make this browser forget that it was ever here."""
    viewer.merged(shown(viewer))
    viewer.page.get_by_test_id("storage-clear").click()
    viewer.merged(0)


def test_a_node_that_crashed_and_is_back_has_a_slot_more(learner: Viewer, demo: Demo) -> None:
    part(learner, "node-choice").select_option("a")
    press(learner, "pin")
    expect(part(learner, "node-socket")).to_have_text("a")
    order(learner, "kill", "b", "stopped")
    order(learner, "start", "b", "serves")
    wait_until(lambda: demo.is_connected_to_all("b"), "b is back")
    lane = learner.page.locator('[data-testid="lanes"] [data-node="b"]')
    expect(lane).to_contain_text(re.compile("[1-9] slot"))
    learner.panel_says("log", "start b, by you")
    learner.panel_says("cluster-said", "Done: start b.")


def test_the_panel_says_what_it_can_not_do(learner: Viewer) -> None:
    order(learner, "kill", "c", "stopped")
    expect(learner.page.get_by_test_id("kill-c")).to_be_disabled()
    expect(learner.page.get_by_test_id("start-c")).to_be_enabled()
    # Another page has started the node meanwhile, and this page does not know yet.
    # The panel requests one state after the other: once one has failed, none is under way any more.
    with learner.page.expect_event("requestfailed", lambda request: request.url.endswith("/state")):
        learner.page.route("**/state", lambda route: route.abort())
    learner.panel_says("cluster", "stopped")
    learner.page.evaluate(
        """() => fetch(`${document.documentElement.dataset.playground}/nodes/c/start`,
            {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'})"""
    )
    learner.page.get_by_test_id("start-c").click()
    learner.panel_says("cluster-said", "Not done: It runs already.")
    learner.page.unroute("**/state")
    expect(state(learner, "c")).to_have_text("serves")


def test_it_polls_only_while_it_is_open_and_visible(learner: Viewer) -> None:
    asked: list[str] = []
    learner.page.on(
        "request", lambda one: asked.append(one.url) if one.url.endswith("/state") else None
    )
    with learner.page.expect_request("**/state"):
        pass
    learner.page.get_by_role("button", name="Close", exact=True).click()
    # One request may be under way. After it there must be none, however long the test waits.
    learner.page.clock.install()
    learner.page.clock.run_for(2_000)
    before = len(asked)
    learner.page.clock.run_for(60_000)
    assert len(asked) == before
    with learner.page.expect_request("**/state"):
        learner.page.keyboard.press("d")
    # A headless browser never hides a tab.
    learner.page.evaluate(
        """() => {
            Object.defineProperty(document, 'hidden', {get: () => true});
            document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    learner.page.clock.run_for(2_000)
    before = len(asked)
    learner.page.clock.run_for(60_000)
    assert len(asked) == before


@pytest.mark.parametrize("width", [1280, 390])
def test_the_demo_s_panel_for_everybody(
    demo: Demo, sized: Callable[[int], Viewer], width: int
) -> None:
    demo.mend()
    viewer = sized(width)
    look(viewer, demo.page, VIDEO)
    order(viewer, "cut", "c", "serves, cut off")
    viewer.page.get_by_text("A stale reload").click()
    expect(viewer.page.locator('[data-testid="lanes"] .lane')).to_have_count(3)
    wait_until(lambda: seconds_plotted(viewer) >= 3, "the plot shows some seconds")
    viewer.merged(shown(viewer))
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= width
    SHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        viewer.page.emulate_media(color_scheme=scheme)
        viewer.page.screenshot(path=SHOTS / f"demo-{width}-{scheme}.png", full_page=True)
        assert violations(viewer.page) == [], scheme
    assert not viewer.complaints


def seconds_plotted(viewer: Viewer) -> int:
    """The number of points in time in the plot of node a's slots."""
    area = viewer.page.locator('[data-testid="lanes"] [data-node="a"] .slots-area').first
    return (area.get_attribute("d") or "").count("H")
