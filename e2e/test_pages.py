"""The list and the watch page: what they cost, how they load, and that everybody can use them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from e2e.audit import Audit, FirstNumber, keep_facts, least
from e2e.conftest import ARTEFACTS
from e2e.odd_clips import CLIPS, LARGEST, LONG, MEDIA, Site, site
from e2e.viewer import Viewer
from testing.nodes import Node

SHOTS: Final = ARTEFACTS / "pages"
Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
WIDE, PHONE = 1280, 390
# The page, its style and two small scripts must fit into the ten segments that a server sends
# before it waits for an acknowledgement.
MOST_BYTES: Final = 14_600


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the debug panel, as in a demo."""
    with site(tmp_path_factory.mktemp("odd"), panel=True, rising=8) as serving:
        yield serving


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without the debug panel, as in production."""
    with site(tmp_path_factory.mktemp("public")) as serving:
        yield serving


# Opens a visible tab in a browser that was never here before.
NewTab = Callable[..., Audit]


@pytest.fixture
def new_tab(browser: Browser, kept: list[BrowserContext]) -> Iterator[NewTab]:
    """Opens tabs. At the end, no tab may have reported an error."""
    viewers: list[Viewer] = []

    def arrive(width: int = WIDE, locale: str = "en-US") -> Audit:
        phone = width < 600
        opened = browser.new_context(
            viewport={"width": width, "height": 844 if phone else 800},
            has_touch=phone,
            is_mobile=phone,
            locale=locale,
        )
        kept.append(opened)
        viewers.append(Viewer(opened))
        return Audit(viewers[-1].page)

    yield arrive
    assert not [complaint for viewer in viewers for complaint in viewer.complaints]


def other_tab_shows(page: Page, video: str, views: int) -> None:
    """Make another tab of this browser learn of this many views."""
    other = page.context.new_page()
    # This page is of the same site, and has no script of its own.
    other.goto(re.sub(r"(?<=\d)/.*", "/healthz", page.url))
    mark = [f"ratchet:high:{video}", str(views)]
    other.evaluate("([key, text]) => localStorage.setItem(key, text)", mark)
    other.close()


def short(views: int) -> str:
    """The number as an English reader sees it on a card."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if views >= max(size, 10_000):
            whole, tenths = views // size, views * 10 // size % 10
            return f"{whole}.{tenths}{letter}" if whole < 10 and tenths else f"{whole}{letter}"
    return f"{views:,}"


# -- at the first paint ------------------------------------------------------------------------


@pytest.mark.parametrize("speed", ["fast", "slow"])
def test_the_number_is_there_at_first_paint_on_the_first_visit_and_on_the_next(
    public: Site, new_tab: NewTab, speed: str
) -> None:
    facts: dict[str, FirstNumber] = {}
    for name, path in (("list", "/"), ("watch", "/watch/tide")):
        tab = new_tab(PHONE)
        if speed == "slow":
            tab.slow_down()
        first = tab.open(public.url + path)
        expect(tab.page.get_by_test_id("views").first).to_be_in_viewport()
        seen = tab.page.get_by_test_id("views").first.get_attribute("data-video") or ""
        # This browser has seen more than the node has, and shows it from the first frame on.
        higher = CLIPS[seen].views * 3
        other_tab_shows(tab.page, seen, higher)
        tab.page.goto("about:blank")
        again = tab.open(public.url + path)

        facts |= {f"{name}, first visit": first, f"{name}, next visit": again}
        assert [first.text, again.text] == [short(CLIPS[seen].views), short(higher)]
        assert tab.texts() == [again.text]
        # The browser keeps style and scripts for good, and never the page: it holds the number.
        assert again.needed_bytes < 0.7 * first.needed_bytes
    for number in facts.values():
        # A machine this slow may paint an empty frame before it has parsed the number.
        assert number.frames_without <= (speed == "slow")
        assert number.needed_bytes < MOST_BYTES
    measured = {visit: number._asdict() for visit, number in facts.items()}
    keep_facts(SHOTS / f"first-number-{speed}.json", measured)


def test_without_scripts_the_number_stands_in_the_page(browser: Browser, odd: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{odd.url}/watch/tide")
    expect(page.get_by_test_id("views")).to_have_text("1,234,567")
    expect(page.get_by_test_id("exact-views")).to_have_text("views")
    page.goto(f"{odd.url}/watch/orbit")
    expect(page.get_by_test_id("exact-views")).to_have_text("view")
    context.close()


def test_on_a_slow_phone_the_clip_plays_while_python_is_still_to_come(
    odd: Site, new_tab: NewTab
) -> None:
    tab = new_tab(PHONE)
    tab.page.add_init_script(
        """for (const name of ['SharedWorker', 'Worker']) {
            window[name] = class extends window[name] {
                constructor(...given) {
                    super(...given);
                    window.pythonBegan ??= performance.now();
                }
            };
        }
        for (const event of ['loadeddata', 'playing']) {
            const note = () => { window[event] = performance.now(); };
            document.addEventListener(event, note, {capture: true, once: true});
        }"""
    )
    tab.slow_down()
    tab.page.goto(f"{odd.url}/watch/{odd.new_clip()}", wait_until="commit")
    tab.page.locator("#player").press("Space")
    tab.page.wait_for_function("() => window.playing && window.pythonBegan")
    facts = tab.page.evaluate(
        "() => ({first_frame_ms: loadeddata, playing_ms: playing, python_begins_ms: pythonBegan})"
    )
    keep_facts(SHOTS / "slow-play.json", facts)
    assert facts["first_frame_ms"] <= facts["python_begins_ms"]


# -- nothing moves -----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_nothing_moves_while_the_watch_page_comes_and_its_number_jumps(
    odd: Site, new_tab: NewTab, width: int
) -> None:
    video = odd.new_clip()
    tab = new_tab(width)
    tab.open(f"{odd.url}/watch/{video}")
    number = tab.page.get_by_test_id("views")
    expect(number).to_have_text("0")
    counted = 0
    for more in (1, 8, 12_345, 1_200_000, LARGEST - 1_212_354):
        odd.add(video, more)
        counted += more
        expect(number).to_have_attribute("data-value", str(counted))
        expect(tab.page.get_by_test_id("exact-views")).to_have_text(
            re.compile(rf"^({counted:,} )?views?$")
        )
    expect(tab.page.get_by_test_id("exact-views")).to_have_text(f"{LARGEST:,} views")
    assert tab.shifts() == []


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_nothing_moves_while_the_list_comes_and_its_numbers_jump(
    odd: Site, new_tab: NewTab, width: int
) -> None:
    video = odd.new_clip()
    tab = new_tab(width)
    tab.page.goto(odd.url)
    number = tab.page.locator(f'[data-video="{video}"]')
    number.scroll_into_view_if_needed()
    for more, text in ((3, "3"), (54_321, "54K"), (12_000_000, "12M")):
        odd.add(video, more)
        expect(number).to_have_text(text)
    assert tab.shifts() == []


def test_nothing_moves_when_the_page_says_that_its_number_is_old(
    odd: Site, new_tab: NewTab
) -> None:
    for width in (WIDE, PHONE):
        tab = new_tab(width)
        tab.page.goto(f"{odd.url}/watch/tide")
        tab.page.evaluate(
            """() => {
                const said = 'Not connected since 11:59 PM. This is the last number received.';
                document.getElementById('live-state').textContent = said;
            }"""
        )
        tab.page.screenshot(path=SHOTS / f"watch-offline-{width}.png")
        assert tab.shifts() == []


# -- the number --------------------------------------------------------------------------------


def test_a_jump_is_counted_up_smoothly_and_never_back(odd: Site, new_tab: NewTab) -> None:
    video = odd.new_clip()
    tab = new_tab()
    tab.open(f"{odd.url}/watch/{video}")
    odd.add(video, 9_000)
    expect(tab.page.get_by_test_id("views")).to_have_text("9,000")
    numbers = [least(text) for text in tab.texts()]
    assert (numbers[0], numbers[-1]) == (0, 9_000)
    assert numbers == sorted(numbers)
    assert len(numbers) > 2  # a busy machine paints few frames


def test_a_single_view_and_a_reader_who_wants_no_motion_see_no_number_in_between(
    odd: Site, new_tab: NewTab
) -> None:
    video = odd.new_clip()
    tab = new_tab()
    tab.page.emulate_media(reduced_motion="reduce")
    tab.open(f"{odd.url}/watch/{video}")
    for more, text in ((1, "1"), (1, "2"), (4_000, "4,002"), (40_000, "44K")):
        odd.add(video, more)
        expect(tab.page.get_by_test_id("views")).to_have_text(text)
    # A busy machine may skip one of these, but must never paint another text.
    shown = tab.texts()
    assert shown == [text for text in ("0", "1", "2", "4,002", "44K") if text in shown]


def test_the_exact_number_stands_below_on_the_watch_page_and_shows_on_a_card_on_hover(
    odd: Site, new_tab: NewTab
) -> None:
    page = new_tab().page
    page.goto(f"{odd.url}/watch/whole")
    expect(page.get_by_test_id("views")).to_have_text("9007T")
    expect(page.get_by_test_id("exact-views")).to_have_text("9,007,199,254,740,991 views")
    page.goto(odd.url)
    counts = page.locator(".card .count")
    by_video = {
        video: counts.filter(has=page.locator(f'[data-video="{video}"]'))
        for video in ("whole", "none", "orbit")
    }
    expect(by_video["whole"]).to_have_attribute("title", "9,007,199,254,740,991 views")
    expect(by_video["orbit"]).to_have_text(re.compile(r"^1\s+view\s+view$"))
    expect(by_video["none"]).to_have_text(re.compile(r"^0\s+views\s+views$"))


@pytest.mark.parametrize(
    ("locale", "short", "exact"),
    [
        ("de-DE", "1,2\N{NO-BREAK SPACE}Mio.", "1.234.567 views"),
        ("hi-IN", "12\N{NO-BREAK SPACE}लाख", "12,34,567 views"),
        ("ja-JP", "123万", "1,234,567 views"),
    ],
)
def test_it_is_written_in_the_readers_language_from_the_first_paint_on(
    odd: Site, new_tab: NewTab, locale: str, short: str, exact: str
) -> None:
    tab = new_tab(locale=locale)
    tab.open(f"{odd.url}/watch/tide")
    expect(tab.page.get_by_test_id("exact-views")).to_have_text(exact)
    assert tab.texts() == [short]


# -- for everybody -----------------------------------------------------------------------------

# Other tests check the panel and the lesson, where they use them.
PAGES: Final = {
    "list": "/",
    "watch": "/watch/tide",
    "watch-whole": "/watch/whole",
    "watch-long": "/watch/long",
    "cluster": "/cluster",
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_a_page_passes_the_audit_of_accessibility_and_fits(
    odd: Site, new_tab: NewTab, width: int, name: str
) -> None:
    tab = new_tab(width)
    tab.page.goto(odd.url + PAGES[name])
    tab.page.wait_for_load_state("load")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    for scheme in SCHEMES:
        tab.page.emulate_media(color_scheme=scheme)
        tab.page.screenshot(path=SHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
        assert tab.violations() == [], scheme


def test_the_keyboard_reaches_everything_and_one_can_see_where_it_is(
    odd: Site, new_tab: NewTab
) -> None:
    page = new_tab().page
    page.goto(odd.url)

    def tab_to() -> str:
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        expect(focused).to_be_in_viewport()
        assert focused.evaluate("element => getComputedStyle(element).outlineStyle") != "none"
        return focused.inner_text().splitlines()[0].strip()

    assert tab_to() == "Skip to the content"
    assert [tab_to() for _ in range(3)] == ["Ratchet", "Clips", "How it counts"]
    assert tab_to().startswith("A clip with a title")
    page.screenshot(path=SHOTS / "list-focus.png")

    page.reload()
    assert tab_to() == "Skip to the content"
    page.keyboard.press("Enter")
    assert tab_to().startswith("A clip with a title")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(LONG)


def test_the_number_is_said_politely_and_not_at_each_tick_but_her_own_view_at_once(
    odd: Site, new_tab: NewTab
) -> None:
    video = odd.new_clip()
    page = new_tab().page
    page.clock.install(time=0)
    page.goto(f"{odd.url}/watch/{video}")
    page.clock.pause_at(60_000)
    number, said = page.get_by_test_id("views"), page.get_by_test_id("said-views")
    expect(said).to_have_attribute("role", "status")
    expect(said).to_have_text("")
    odd.add(video, 5)
    expect(number).to_have_text("5")
    page.clock.run_for(100)
    expect(said).to_have_text("5 views")
    odd.add(video, 1)
    expect(number).to_have_text("6")
    page.clock.run_for(19_000)
    expect(said).to_have_text("5 views")
    page.clock.run_for(1_000)
    expect(said).to_have_text("6 views")
    # This announcement needs no running clock.
    page.locator("#player").click()
    expect(said).to_have_text("7 views")


def test_a_list_of_many_clips_comes_page_by_page_and_back_leads_to_the_same_place(
    tmp_path: Path, new_tab: NewTab
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    clips = [f"clip-{n:03}" for n in range(130)]
    for clip in clips:
        (media / f"{clip}.webm").symlink_to(MEDIA / "tide.webm")
    with Node("a", tmp_path, flags=("--media", str(media))) as node:
        tab = new_tab(PHONE)
        page = tab.page
        page.goto(node.start().url)
        shown = page.locator("#main [data-video]")
        more = page.get_by_role("link", name="More clips")

        def videos() -> list[str]:
            found: list[str] = shown.evaluate_all("all => all.map(each => each.dataset.video)")
            return found

        assert videos() == clips[:60]
        more.click()
        page.wait_for_url("**/?after=clip-059")
        assert videos() == clips[60:120]
        node.view("clip-100")
        expect(page.locator("[data-video=clip-100]")).to_have_text("1")
        page.screenshot(path=SHOTS / "list-page-2.png", full_page=True)
        assert tab.violations() == []
        more.click()
        page.wait_for_url("**/?after=clip-119")
        assert videos() == clips[120:]
        expect(more).to_have_count(0)
        page.screenshot(path=SHOTS / "list-last-page.png", full_page=True)

        page.go_back()
        page.wait_for_url("**/?after=clip-059")
        expect(more).to_be_in_viewport()  # where she was
        page.get_by_role("link", name="From the start").click()
        page.wait_for_url(f"{node.url}/")
        assert videos() == clips[:60]

        page.goto(f"{node.url}/?after=zz")
        expect(page.get_by_role("main")).to_contain_text("There are no more clips.")
        assert node.get("/?after=%20").status_code == 400


def test_a_catalogue_without_clips_says_so(tmp_path: Path, new_tab: NewTab) -> None:
    with Node("a", tmp_path, flags=("--open",)) as node:
        page = new_tab().page
        page.goto(node.start().url)
        expect(page.get_by_role("main")).to_contain_text("There are no clips here yet.")
        page.screenshot(path=SHOTS / "list-empty.png")


def test_without_the_panel_nothing_of_it_is_there(tmp_path: Path, new_tab: NewTab) -> None:
    with Node("a", tmp_path, flags=("--media", str(MEDIA))) as node:
        page = new_tab().page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{node.start().url}/watch/tide?debug")
        # All scripts of the page have run by now.
        page.locator("#player").click()
        expect(page.get_by_test_id("views")).to_have_text("1")
        page.keyboard.press("d")
        expect(page.get_by_test_id("panel")).to_have_count(0)
        expect(page.get_by_test_id("panel-toggle")).to_have_count(0)
        assert not [url for url in asked if "panel" in url]
