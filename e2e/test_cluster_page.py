"""The operators' page in a real browser: with a healthy cluster, and with a broken one."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect
from ratchet_server.operator.glossary import GLOSSARY

from e2e.cluster import Cluster
from e2e.conftest import NewViewer
from e2e.viewer import Viewer

ALL_IS_WELL = re.compile(r"^3 nodes; all is well")


@pytest.fixture
def operator(new_viewer: NewViewer, cluster: Cluster) -> Viewer:
    """A person who has opened the page at node a, and has seen that all is well."""
    viewer = new_viewer()
    viewer.page.goto(f"{cluster.a.url}/cluster")
    expect(verdict(viewer)).to_have_text(ALL_IS_WELL)
    return viewer


def verdict(viewer: Viewer) -> Locator:
    """The verdict at the top of the page."""
    return viewer.page.get_by_test_id("verdict")


def node_row(viewer: Viewer, name: str) -> Locator:
    """A node's line in the table."""
    return viewer.page.locator(f'[data-testid="members"] [data-node="{name}"]')


def lane(viewer: Viewer, name: str) -> Locator:
    """A node's part of the plot."""
    return viewer.page.locator(f'[data-testid="lanes"] [data-node="{name}"]')


def test_it_shows_every_node_every_slot_and_their_last_minutes(
    operator: Viewer, cluster: Cluster, video: str
) -> None:
    for name, node in cluster.nodes.items():
        expect(node_row(operator, name)).to_contain_text(
            "this node" if name == "a" else "connected"
        )
        expect(operator.page.get_by_test_id("slots")).to_contain_text(node.slot or "none")
        expect(lane(operator, name)).to_contain_text("lacks nothing")
        expect(lane(operator, name).get_by_role("img", name=f"{name}: ")).to_be_visible()
        assert lane(operator, name).locator(".slots-area").count() >= 1
    slot = operator.page.locator(f'[data-slot="{cluster.b.slot}"]')
    views = slot.locator('[data-head="Views"]')
    before = int((views.text_content() or "").replace(",", ""))
    cluster.b.view(video)
    # The page updates itself within the next seconds.
    expect(views).to_have_text(f"{before + 1:,}")
    expect(slot).to_contain_text("all 3 nodes")


def test_it_lays_out_the_words_of_the_report_and_makes_none(
    new_viewer: NewViewer, cluster: Cluster
) -> None:
    """The report is made up here, and says what no node would: the page believes every word."""

    def verdict_of(text: str) -> dict[str, str]:
        return {"text": text, "mood": "look"}

    member = {"node": "x", "process": None, "url": "http://x.example:1"}
    words = ("how", "it_lacks", "we_lack", "holders")
    said = {word: verdict_of(f"the {word} of it") for word in words}
    slot = {"slot": "x@1", "videos": 1, "views": 2, "said": 3000}
    report = {
        "headline": verdict_of("the headline"),
        "here": "the node itself",
        "members": [member | said],
        "nodes": [
            {"node": "x", "state": "missing", "lacks": None, "slots": 1}
            | {"how": verdict_of("the lane")}
        ],
        "slots": [slot | said],
        "folds": [
            {"node": "x", "text": "the fold", "obstacles": [verdict_of("the obstacle")]},
        ],
        "folded": [{"text": f"name {number}"} for number in range(61)],
        "base": {"text": "the base"},
        "pending": {"views": 3, "how": verdict_of("the pending views")},
        "to_do": [{"text": "the advice", "command": "the command"}],
    }
    viewer = new_viewer()
    page = viewer.page
    page.route("**/api/cluster", lambda route: route.fulfill(json=report))
    page.goto(f"{cluster.a.url}/cluster")
    expect(verdict(viewer)).to_have_text("the headline")
    expect(verdict(viewer)).to_have_attribute("data-mood", "look")
    expect(page.get_by_test_id("here")).to_have_text("the node itself")
    expect(node_row(viewer, "x").locator("th, td")).to_have_text(
        ["x", "the how of it", "the it_lacks of it", "the we_lack of it", "http://x.example:1"]
    )
    expect(page.get_by_test_id("slots").locator("th, td")).to_have_text(
        ["x@1", "the how of it", "1", "2", "3,000", "the holders of it"]
    )
    expect(lane(viewer, "x")).to_contain_text("the lane")
    expect(page.get_by_test_id("folds")).to_contain_text("the fold")
    expect(page.get_by_test_id("folds").get_by_role("listitem").last).to_have_text("the obstacle")
    expect(page.get_by_test_id("base")).to_have_text("the base")
    expect(page.get_by_test_id("pending")).to_have_text("the pending views")
    expect(page.get_by_test_id("folded").get_by_role("listitem").last).to_have_text(
        "and 1 more name"
    )
    expect(page.get_by_test_id("advice").locator(".said")).to_have_text("the advice")
    expect(page.get_by_test_id("advice").locator("code")).to_have_text("the command")


def test_it_explains_the_words_as_the_command_does(operator: Viewer) -> None:
    meanings = operator.page.locator(".meanings")
    expect(meanings.locator("dt")).to_have_text([word for word, _ in GLOSSARY])
    expect(meanings.locator("dd")).to_have_text([meaning for _, meaning in GLOSSARY])


def test_a_node_that_is_gone_is_named_with_the_command_until_it_is_back(
    operator: Viewer, cluster: Cluster
) -> None:
    cluster.c.kill9()
    expect(verdict(operator)).to_have_text("3 nodes; c is missing.")
    expect(node_row(operator, "c")).to_contain_text("missing for")
    expect(lane(operator, "c")).to_contain_text("missing")
    command = operator.page.get_by_test_id("advice").locator("code")
    expect(command).to_have_text(f"ratchet retire c --via {cluster.a.url}")
    # The sentence changes each second. A command must not vanish while somebody copies it.
    command.evaluate("command => { command.before_a_second = true; }")
    said = operator.page.get_by_test_id("advice").locator(".said")
    expect(said).not_to_have_text(said.text_content() or "")
    assert command.evaluate("command => command.before_a_second") is True

    cluster.c.start()
    expect(verdict(operator)).to_have_text(ALL_IS_WELL)
    expect(operator.page.get_by_test_id("todo")).to_be_hidden()


def test_a_node_that_does_not_answer_is_called_silent_and_its_last_state_stays(
    operator: Viewer, cluster: Cluster
) -> None:
    cluster.a.kill9()
    expect(verdict(operator)).to_contain_text("Node a doesn’t answer.")
    expect(verdict(operator)).to_contain_text("What stands below is from")
    expect(operator.page.get_by_test_id("fresh")).to_contain_text("no answer for")
    expect(node_row(operator, "b")).to_be_visible()
    cluster.a.start()
    expect(verdict(operator)).to_have_text(ALL_IS_WELL)
    expect(operator.page.get_by_test_id("fresh")).to_have_text("live, each second")


def test_it_polls_each_second_and_never_in_a_hidden_tab(
    new_viewer: NewViewer, cluster: Cluster
) -> None:
    page = new_viewer().page
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/api/" in one.url else None)
    page.clock.install()
    page.goto(f"{cluster.a.url}/cluster")
    fresh = page.get_by_test_id("fresh")
    expect(fresh).to_have_text("live, each second")
    for _ in range(3):
        with page.expect_request("**/api/cluster"):
            page.clock.run_for(1000)
    # A headless browser never hides a tab.
    page.evaluate(
        """() => {
            window.isHidden = true;
            Object.defineProperty(document, 'hidden', {get: () => window.isHidden});
        }"""
    )
    page.clock.run_for(1000)
    expect(fresh).to_have_text("paused while this tab is hidden")
    before = len(asked)
    page.clock.run_for(60_000)
    assert len(asked) == before
    page.evaluate(
        "() => { window.isHidden = false; document.dispatchEvent(new Event('visibilitychange')); }"
    )
    expect(fresh).to_have_text("live, each second")
    assert len(asked) > before


def test_its_plot_is_read_with_the_keyboard(operator: Viewer) -> None:
    slider = operator.page.get_by_label("Look back")
    slider.focus()
    expect(operator.page.get_by_test_id("looked-at")).to_have_text("now")
    for _ in range(2):
        operator.page.keyboard.press("ArrowLeft")
    expect(operator.page.get_by_test_id("looked-at")).to_have_text("2 s ago")
    expect(slider).to_have_attribute("aria-valuetext", "2 s ago")
    expect(lane(operator, "a").locator(".cursor")).to_have_count(1)
    # The page knows nothing of the time before it was opened.
    operator.page.keyboard.press("Home")
    expect(lane(operator, "a")).to_contain_text("not known")
    operator.page.keyboard.press("End")
    expect(lane(operator, "a")).to_contain_text("lacks nothing")


def test_it_fits_a_phone(browser: Browser, kept: list[BrowserContext], cluster: Cluster) -> None:
    phone = browser.new_context(viewport={"width": 360, "height": 740})
    kept.append(phone)
    viewer = Viewer(phone)
    viewer.page.goto(f"{cluster.a.url}/cluster")
    expect(verdict(viewer)).to_have_text(ALL_IS_WELL)
    expect(lane(viewer, "c")).to_contain_text("lacks nothing")
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not viewer.complaints
