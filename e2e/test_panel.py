"""The debug panel in a real browser: it explains the number, and lets people play with it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Request, Route, expect

from e2e.audit import violations
from e2e.cluster import Cluster
from e2e.conftest import ARTEFACTS, NewViewer
from e2e.refusals import own_worker, refused
from e2e.steering import open_at, reload_at
from e2e.viewer import Viewer
from testing.nodes import wait_until

SHOTS: Final = ARTEFACTS / "panel"
_SPOIL: Final = """async (video) => {
  const database = await new Promise((resolve, reject) => {
    const request = indexedDB.open('ratchet');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const transaction = database.transaction('counters', 'readwrite');
  transaction.objectStore('counters').put('{"base": "none"}', video);
  await new Promise((resolve) => (transaction.oncomplete = resolve));
  database.close();
}"""


def part(viewer: Viewer, name: str) -> Locator:
    """One part of the panel."""
    return viewer.page.get_by_test_id(f"panel-{name}")


def press(viewer: Viewer, name: str) -> None:
    """Click on a button of the panel."""
    part(viewer, name).click()


def look(viewer: Viewer, site: str, video: str, *, debug: bool = True) -> None:
    """Open the page, and wait for its panel, which appears last."""
    viewer.open(site, video, debug=debug)
    expect(part(viewer, "stored")).to_be_attached()


def reload(viewer: Viewer) -> None:
    """Reload the page, and wait for its panel."""
    viewer.reload()
    expect(part(viewer, "stored")).to_be_attached()


def why(viewer: Viewer, kind: str) -> str:
    """Wait until the panel gives a reason of this kind. Returns its sentences."""
    expect(part(viewer, "why")).to_have_attribute("data-kind", kind)
    return part(viewer, "why").text_content() or ""


def exported(viewer: Viewer, to: Path) -> dict[str, Any]:
    """Click on Download. Returns the file's content."""
    with viewer.page.expect_download() as download:
        press(viewer, "download")
    download.value.save_as(to)
    file: dict[str, Any] = json.loads(to.read_text())
    return file


def import_text(viewer: Viewer, text: str) -> None:
    part(viewer, "import-text").fill(text)
    press(viewer, "import")


def brief(slot: str | None) -> str:
    """The name of a slot in the panel's sentences."""
    node, generation = (slot or "@").split("@")
    return f"{node}@…{generation[-4:]}"


# -- why does it show this number? -----------------------------------------------------------------


def test_a_stale_reload_is_explained_by_itself(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.page.clock.install()
    cluster.b.view(video)
    wait_until(lambda: cluster.c.views(video) == 1, "c has heard of the first view")
    cluster.cut_off("c")
    open_at(cluster, viewer, video, "ab")
    for _ in range(5):
        cluster.a.view(video)
    viewer.merged(6)
    told_by = viewer.hears()
    assert "and node" in why(viewer, "same")

    reload_at(cluster, viewer, "c")
    viewer.received(1, "c")
    viewer.merged(6)
    said = why(viewer, "stale")
    assert re.fullmatch(
        r"6 is what this browser has merged\. Node c, which answers here, says 1: it has not "
        rf"received 5 views in slot {brief(cluster.a.slot)}, which this browser got from node "
        rf"{told_by} (just now|\d+ (s|min) ago)\.",
        said,
    ), said
    # A screen reader announces this, too, after a quiet time.
    viewer.page.clock.run_for(20_000)
    expect(viewer.page.get_by_role("status").filter(has_text="Node c, which")).to_have_count(1)

    cluster.heal()
    viewer.received(6, "c")
    assert "says the same" in why(viewer, "same")


def test_storage_off_and_pauses_are_said(cluster: Cluster, video: str, viewer: Viewer) -> None:
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    viewer.merged(1)
    expect(part(viewer, "notes")).to_be_empty()
    viewer.use_storage("off")
    viewer.panel_says("notes", "Storage is off: a reload begins with what its node says.")
    press(viewer, "pause")
    viewer.panel_says("notes", "You have paused the messages")
    viewer.turns_online(True)
    viewer.turns_online(False)
    press(viewer, "pause")
    viewer.panel_says("notes", "This browser is offline")
    viewer.turns_online(True)
    expect(part(viewer, "notes").locator("li")).to_have_count(1)


def test_without_pyodide_it_says_so(cluster: Cluster, video: str, viewer: Viewer) -> None:
    refused("pyodide blocked").apply(viewer.page.context)
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    said = why(viewer, "failed")
    assert said.startswith("1 is the highest number that any node has sent, and node a sent it.")
    assert "Merging doesn’t work in this browser" in said


def test_while_python_is_loading_it_says_so_and_nothing_is_played_with(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    own_worker(viewer.page.context)
    on_their_way: list[Route] = []
    viewer.page.context.route("**/pyodide/**", lambda route: on_their_way.append(route))
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    assert why(viewer, "loading").startswith("1 is the highest number that any node has sent")
    viewer.page.get_by_test_id("storage-clear").click()
    viewer.panel_says("storage-said", "Not yet")
    press(viewer, "age")
    viewer.panel_says("age-said", "No state has been met yet")
    press(viewer, "download")
    viewer.panel_says("exchange-said", "Nothing has been merged yet")
    for route in on_their_way:
        route.abort()


def test_garbage_that_was_stored_is_said_to_be_discarded(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    viewer.merged(1)
    viewer.page.evaluate(_SPOIL, video)
    reload(viewer)
    viewer.merged(1)
    viewer.panel_says("notes", "(counter) was garbage and was discarded")
    viewer.sees(1)


def test_a_stored_state_higher_than_any_servers_is_kept_and_doubted(
    cluster: Cluster, video: str, viewer: Viewer, tmp_path: Path
) -> None:
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    viewer.merged(1)
    file = exported(viewer, tmp_path / "state.json")
    file["counter"]["slots"]["x@1763800000009999"] = 8
    import_text(viewer, json.dumps(file))
    viewer.merged(9)
    reload(viewer)
    viewer.merged(9)
    viewer.sees(9)
    said = why(viewer, "unknown")
    assert "No node that has sent a message (a) knows 8 views in slot x@…9999." in said
    assert "Clear forgets them." in said

    viewer.page.get_by_test_id("storage-clear").click()
    reload(viewer)
    viewer.merged(1)
    viewer.sees(1)
    assert viewer.shown == [1]


# -- what it shows ---------------------------------------------------------------------------------


def test_stored_received_and_merged_stand_side_by_side(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    for _ in range(2):
        cluster.a.view(video)
    cluster.b.view(video)
    wait_until(lambda: cluster.a.views(video) == 3, "a has heard of all")
    look(viewer, cluster.a.url, video)
    viewer.merged(3)
    cluster.a.view(video)
    viewer.merged(4)

    bars = part(viewer, "bars")
    grows = bars.locator(f'[data-slot="{cluster.a.slot}"] .bars-count')
    expect(grows).to_have_text(["2", "3", "3"])
    expect(bars.locator('[data-key="value"] .bars-count')).to_have_text(["3", "4", "4"])
    stays = bars.locator(f'[data-slot="{cluster.b.slot}"]')
    expect(stays).to_contain_text("started")
    expect(stays.locator(".segment:visible")).to_have_count(3)
    # A slot has one colour in all three states, and no other slot has this colour.
    colour = "all => all.map(one => getComputedStyle(one).backgroundColor)"
    assert len(set(stays.locator(".segment").evaluate_all(colour))) == 1
    chips = bars.locator(".chip").evaluate_all(colour)
    assert len(chips) == len(set(chips)) == 3
    expect(part(viewer, "high")).to_have_text("4")


def test_the_larger_of_stored_and_received_is_marked(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.b.view(video)
    wait_until(lambda: cluster.c.views(video) == 1, "c has heard of the first view")
    cluster.cut_off("c")
    open_at(cluster, viewer, video, "ab")
    for _ in range(3):
        cluster.a.view(video)
    viewer.merged(4)
    reload_at(cluster, viewer, "c")
    viewer.received(1, "c")
    cluster.c.view(video)
    viewer.received(2, "c")
    viewer.merged(5)
    bars = part(viewer, "bars")
    ours = bars.locator(f'[data-slot="{cluster.a.slot}"]')
    expect(ours.locator(".bars-stored")).to_have_class(re.compile("wins"))
    expect(ours.locator(".bars-stored")).to_contain_text("the larger one")
    expect(ours.locator(".bars-received .bars-count")).to_have_text("none")
    theirs = bars.locator(f'[data-slot="{cluster.c.slot}"]')
    expect(theirs.locator(".bars-received")).to_have_class(re.compile("wins"))
    neither = bars.locator(f'[data-slot="{cluster.b.slot}"]')
    expect(neither.locator(".wins")).to_have_count(0)


def test_the_timeline_tells_the_effect_of_each_message(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.b.view(video)
    look(viewer, cluster.a.url, video)
    viewer.merged(1)
    viewer.panel_says("log", f"+1: new slot {brief(cluster.b.slot)} 1")
    cluster.b.view(video)
    viewer.merged(2)
    newest = part(viewer, "log").locator("li").first
    expect(newest).to_contain_text("+1: b 1→2")
    expect(newest).to_contain_text("node a")
    expect(newest).to_contain_text("websocket")


def test_a_replayed_snapshot_changes_nothing(cluster: Cluster, video: str, viewer: Viewer) -> None:
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    viewer.merged(1)
    for _ in range(3):
        cluster.a.view(video)
    before = viewer.merged(4)
    oldest = part(viewer, "log").get_by_test_id("panel-replay").last
    oldest.click()
    viewer.panel_says("log", "replayed")
    newest = part(viewer, "log").locator("li").first
    expect(newest).to_contain_text("nothing new")
    assert viewer.merged(4) == before
    assert viewer.shown[-1] == 4
    assert viewer.shown == sorted(viewer.shown)


def test_it_says_how_the_page_came_and_what_it_stores(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    viewer.merged(1)
    assert viewer.panel("node-page") == "a"
    assert viewer.hears() == "a"
    viewer.panel_says("live", "websocket")
    viewer.panel_says("merge", "ready after")
    viewer.panel_says("merged-by", "one worker for all tabs")
    viewer.panel_says("storage", "indexeddb")
    viewer.panel_says("used", "1 video in IndexedDB")


# -- to play with ----------------------------------------------------------------------------------


def test_export_clear_and_import_bring_back_the_same(
    cluster: Cluster, video: str, viewer: Viewer, tmp_path: Path
) -> None:
    for _ in range(3):
        cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    before = viewer.merged(3)
    path = tmp_path / "state.json"
    file = exported(viewer, path)
    assert (file["format"], file["version"], file["video"]) == ("ratchet-browser-state", 1, video)
    assert file["folded"] == before["folded"]

    # Without this, a message would bring everything back.
    press(viewer, "pause")
    viewer.panel_says("live", "paused")
    viewer.page.get_by_test_id("storage-clear").click()
    assert viewer.merged(0)["slots"] == {}
    assert "never goes down" in why(viewer, "mark")
    viewer.sees(3)
    part(viewer, "import-file").set_input_files(path)
    assert viewer.merged(3) == before
    viewer.panel_says("exchange-said", "Imported: it counts 3 views")

    reload(viewer)
    assert viewer.merged(3) == before
    assert viewer.shown == [3]


def test_what_is_copied_can_be_pasted(cluster: Cluster, video: str, viewer: Viewer) -> None:
    viewer.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    before = viewer.merged(1)
    press(viewer, "copy")
    viewer.panel_says("exchange-said", "Copied.")
    text = viewer.page.evaluate("() => navigator.clipboard.readText()")
    press(viewer, "pause")
    viewer.page.get_by_test_id("storage-clear").click()
    viewer.merged(0)
    import_text(viewer, text)
    assert viewer.merged(1) == before


GARBAGE: Final[list[tuple[str, Callable[[dict[str, Any]], object], str]]] = [
    ("nothing", lambda _: "", "nothing to import"),
    ("no JSON", lambda _: "{", "no JSON"),
    ("another file", lambda _: {"a": 1}, "format"),
    ("another version", lambda file: {**file, "version": 99}, "version 99"),
    ("another video", lambda file: {**file, "video": "other"}, "of the video"),
    ("too large", lambda _: "x" * (2**20 + 1), "1 MiB"),
    ("no folded", lambda file: {**file, "folded": None}, "missing"),
    ("a text for a base", lambda file: {**file, "counter": {"base": "7", "slots": {}}}, "counter"),
    ("below zero", lambda file: {**file, "counter": {"base": -7, "slots": {}}}, "counter"),
    ("beyond 2**53", lambda file: {**file, "counter": {"base": 2**53, "slots": {}}}, "counter"),
    ("no slot", lambda file: {**file, "counter": {"base": 0, "slots": {"a": 1}}}, "counter"),
    ("no generation", lambda file: {**file, "folded": {"a": -1}}, "folded"),
]


def test_importing_garbage_says_why_not_and_changes_nothing(
    cluster: Cluster, video: str, viewer: Viewer, tmp_path: Path
) -> None:
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    before = viewer.merged(1)
    good = exported(viewer, tmp_path / "state.json")
    for name, spoil, reason in GARBAGE:
        spoilt = spoil(json.loads(json.dumps(good)))
        part(viewer, "exchange-said").evaluate("said => { said.textContent = ''; }")
        import_text(viewer, spoilt if isinstance(spoilt, str) else json.dumps(spoilt))
        viewer.panel_says("exchange-said", "Not imported, and nothing was changed")
        assert reason in viewer.panel("exchange-said"), name
        assert viewer.merged(1) == before, name
    reload(viewer)
    assert viewer.merged(1) == before
    viewer.sees(1)


def test_away_for_a_year_it_shows_the_old_number_and_then_the_clusters(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.b.view(video)
    wait_until(lambda: cluster.c.views(video) == 1, "c has heard of the first view")
    cluster.cut_off("c")
    open_at(cluster, viewer, video, "ab")
    viewer.merged(1)
    for _ in range(4):
        cluster.a.view(video)
    viewer.merged(5)
    viewer.sees(5)

    press(viewer, "age")
    viewer.panel_says("age-said", "Put back: 1")
    viewer.merged(1)
    expect(part(viewer, "high")).to_have_text("1")
    viewer.sees(5)

    # The page comes from a node that has no more views.
    cluster.turn_to("c")
    reload(viewer)
    assert viewer.page_node == "c"
    assert viewer.shown[0] == 1
    open_at(cluster, viewer, video, "ab")
    viewer.merged(5)
    viewer.sees(5)
    assert set(viewer.shown) <= {1, 5}


def test_away_for_a_year_while_slots_were_folded_counts_nothing_twice(
    four: Cluster, video: str, viewer: Viewer
) -> None:
    for _ in range(3):
        four.b.view(video)
    wait_until(lambda: four.a.views(video) == 3, "a has heard of them")
    look(viewer, four.a.url, video)
    young = viewer.merged(3)
    slot = four.b.slot
    assert young["slots"][slot] == 3

    four.b.restart()
    four.b.view(video)
    wait_until(
        lambda: (
            slot not in four.a.get(f"/api/videos/{video}/snapshot").json()["slots"]
            and four.a.views(video) == 4
        ),
        "b's old slot is folded",
        60,
    )
    viewer.merged(4)
    press(viewer, "age")
    viewer.panel_says("age-said", "Put back: 3")
    assert viewer.merged(3)["slots"][slot] == 3

    reload(viewer)
    now = viewer.merged(4)
    assert slot not in now["slots"]
    viewer.panel_says("log", f"lifted {brief(slot)} (3) into the base")
    viewer.sees(4)
    assert max(viewer.shown) == 4


def test_messages_are_paused_and_resumed(cluster: Cluster, video: str, viewer: Viewer) -> None:
    cluster.a.view(video)
    look(viewer, cluster.a.url, video)
    viewer.merged(1)
    press(viewer, "pause")
    viewer.panel_says("live", "paused")
    expect(part(viewer, "pause")).to_have_attribute("aria-pressed", "true")
    for _ in range(2):
        cluster.a.view(video)
    assert viewer.asks(f"/api/videos/{video}")["views"] == 3
    assert viewer.merged(1)
    assert viewer.shown == [1]
    press(viewer, "pause")
    viewer.merged(3)
    viewer.sees(3)
    expect(part(viewer, "pause")).to_have_text("Pause messages")


def test_the_choice_of_storage_holds_over_a_reload_and_in_other_tabs(
    cluster: Cluster, video: str, profile: BrowserContext
) -> None:
    cluster.a.view(video)
    one, other = Viewer(profile), Viewer(profile)
    for viewer in (one, other):
        look(viewer, cluster.a.url, video)
        viewer.merged(1)
    choice = "storage-switch"
    for kind in ("localstorage", "off", "indexeddb"):
        one.use_storage(kind)
        for viewer in (one, other):
            viewer.panel_says("storage", kind)
            expect(viewer.page.get_by_test_id(choice)).to_have_value(kind)
        reload(one)
        expect(one.page.get_by_test_id(choice)).to_have_value(kind)
        one.merged(1)
        one.panel_says("storage", kind)
    assert not one.complaints + other.complaints


def test_a_node_that_is_asked_for_and_does_not_answer_is_named(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    look(viewer, cluster.a.url, video)
    viewer.hears()
    choice = part(viewer, "node-choice")
    expect(choice.locator("option")).to_have_text(["any node", "node a", "node b", "node c"])
    choice.select_option("c")
    press(viewer, "pin")
    # There is no balancer here that could send the page to c.
    viewer.panel_says("node-said", "Node c was asked for messages, and node a answers")
    press(viewer, "reload-node")
    viewer.page.wait_for_url("**node=c**")
    viewer.panel_says("node-said", "Node c was asked for this page, and node a answered")
    choice.select_option("")
    press(viewer, "reload-node")
    viewer.page.wait_for_url(lambda url: "node=" not in url)
    viewer.hears()
    expect(part(viewer, "node-said")).to_be_empty()


# -- how it behaves --------------------------------------------------------------------------------


def test_d_opens_and_closes_it_but_not_while_somebody_writes(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    look(viewer, cluster.a.url, video, debug=False)
    panel = viewer.page.get_by_test_id("panel")
    toggle = viewer.page.get_by_test_id("panel-toggle")
    expect(panel).to_be_hidden()
    viewer.page.wait_for_function("() => document.querySelector('.panel-inside')")
    viewer.page.keyboard.press("d")
    expect(panel).to_be_visible()
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(viewer.page.get_by_role("heading", name="Debug panel")).to_be_focused()
    part(viewer, "import-text").press_sequentially("d")
    expect(panel).to_be_visible()
    expect(part(viewer, "import-text")).to_have_value("d")
    panel.get_by_role("button", name="Close", exact=True).click()
    expect(panel).to_be_hidden()
    expect(toggle).to_be_focused()
    toggle.click()
    expect(panel).to_be_visible()


def test_without_it_the_page_goes_on(cluster: Cluster, video: str, viewer: Viewer) -> None:
    def gone(route: Route) -> None:
        route.abort()

    viewer.page.route("**/panel/panel.js", gone)
    viewer.open(cluster.a.url, video)
    expect(viewer.page.get_by_test_id("panel-toggle")).to_be_hidden()
    cluster.a.view(video)
    viewer.sees(1)
    assert not viewer.complaints


def test_closed_it_sends_no_requests_and_draws_nothing(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    viewer.page.on("request", note)
    cluster.a.view(video)
    look(viewer, cluster.a.url, video, debug=False)
    viewer.merged(1)
    cluster.a.view(video)
    viewer.merged(2)
    assert not [url for url in asked if url.endswith("/api/node")]
    assert part(viewer, "bars").count() == 0
    viewer.page.keyboard.press("d")
    expect(part(viewer, "bars")).to_be_visible()
    viewer.panel_says("used", "of")
    viewer.page.keyboard.press("d")
    drawn = part(viewer, "bars").inner_html()
    before = len(asked)
    cluster.a.view(video)
    viewer.merged(3)
    assert part(viewer, "bars").inner_html() == drawn
    assert not [url for url in asked[before:] if "/api/" in url]


def huge(video: str) -> str:
    """A state with more of everything, and longer names, than any cluster has."""
    name = "a-very-long-node-name-in-a-datacentre-far-away-behind-the-hills"
    slots = {
        f"{name[: 60 - at % 30]}-{at}@{1763800000000000 + at * 86_400_000_017}": 10**at
        for at in range(15)
    }
    slots |= {f"node-{at}@{1763800000000000 + at}": at * at for at in range(100)}
    counter = {"base": 8_007_199_254_740_991, "slots": slots}
    folded = {f"gone-{at}": 1763800000000000 + at for at in range(100)}
    head = {"format": "ratchet-browser-state", "version": 1, "video": video}
    return json.dumps({**head, "counter": counter, "folded": folded})


@pytest.fixture
def sized(browser: Browser, kept: list[BrowserContext]) -> Callable[[int], Viewer]:
    """A person in front of a window of this width."""

    def arrive(width: int) -> Viewer:
        opened = browser.new_context(viewport={"width": width, "height": 900}, locale="en-US")
        kept.append(opened)
        return Viewer(opened)

    return arrive


@pytest.mark.parametrize("width", [390, 1280])
def test_a_hundred_slots_with_long_names_and_huge_numbers_break_nothing(
    cluster: Cluster, video: str, sized: Callable[[int], Viewer], width: int
) -> None:
    viewer = sized(width)
    look(viewer, cluster.a.url, video)
    viewer.merged(0)
    import_text(viewer, huge(video))
    expect(part(viewer, "bars").locator("tr")).to_have_count(118)
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= width
    SHOTS.mkdir(parents=True, exist_ok=True)
    part(viewer, "bars").locator("tr").first.scroll_into_view_if_needed()
    viewer.page.screenshot(path=SHOTS / f"huge-{width}.png", full_page=True)
    assert not viewer.complaints


SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


@pytest.mark.parametrize("width", [390, 1280])
def test_it_can_be_used_by_everybody(
    cluster: Cluster, video: str, sized: Callable[[int], Viewer], width: int
) -> None:
    for node in (cluster.a, cluster.b, cluster.b, cluster.c):
        node.view(video)
    everywhere = cluster.nodes.values()
    wait_until(lambda: all(node.views(video) == 4 for node in everywhere), "all have all")
    cluster.cut_off("c")
    viewer = sized(width)
    open_at(cluster, viewer, video, "ab")
    for _ in range(3):
        cluster.a.view(video)
    viewer.merged(7)
    reload_at(cluster, viewer, "c")
    viewer.received(4, "c")
    cluster.c.view(video)
    viewer.received(5, "c")
    viewer.merged(8)
    why(viewer, "stale")
    viewer.panel_says("used", "IndexedDB")
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= width
    SHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        viewer.page.emulate_media(color_scheme=scheme)
        viewer.page.screenshot(path=SHOTS / f"stale-{width}-{scheme}.png", full_page=True)
        assert violations(viewer.page) == [], scheme
    assert not viewer.complaints


def test_only_clicks_of_this_browser_change_what_others_see(
    cluster: Cluster, video: str, new_viewer: NewViewer, tmp_path: Path
) -> None:
    cluster.a.view(video)
    one, other = new_viewer(), new_viewer()
    look(one, cluster.a.url, video)
    one.merged(1)
    look(other, cluster.a.url, video)
    other.merged(1)
    file = exported(one, tmp_path / "state.json")
    file["counter"]["slots"]["x@1"] = 100
    import_text(one, json.dumps(file))
    one.merged(101)
    cluster.a.view(video)
    one.merged(102)
    other.merged(2)
    other.sees(2)
    assert cluster.a.views(video) == cluster.a.get(f"/api/videos/{video}").json()["views"] == 2
    assert not one.sent
    expect(part(one, "cluster")).to_have_count(0)
