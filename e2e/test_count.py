"""`count.js` on pages of another site: it counts the views of the players that they have."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Route, expect

from e2e.cluster import CLIP, Cluster, running_cluster
from e2e.other_site import OtherSite, other_site
from e2e.viewer import PATIENCE_MS
from testing.nodes import wait_until

EXAMPLES: Final = Path(__file__).parents[1] / "browser/examples"
EXAMPLE_SITE: Final = "http://127.0.0.1:8080"
NODE_MODULES: Final = Path(__file__).parents[1] / "browser/node_modules"
HOW_TO: Final = Path(__file__).parents[1] / "docs/count-from-your-player.md"
AS_HLS: Final = Path(__file__).parents[1] / "browser/tests/as_hls.mjs"
HLS_TYPES: Final = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mp4": "video/mp4",
    ".m4s": "video/iso.segment",
}
# The files that a page with each player loads, and what starts the player.
PLAYERS: Final = {
    "count.html": ((), "() => document.querySelector('video').play()"),
    "count-videojs.html": (
        ("video.js/dist/video.min.js", "video.js/dist/video-js.css"),
        "() => videojs('player').play()",
    ),
    "count-plyr.html": (
        ("plyr/dist/plyr.min.js", "plyr/dist/plyr.css"),
        "() => document.querySelector('[data-plyr=play]').click()",
    ),
    "count-hls.html": (("hls.js/dist/hls.min.js",), "() => document.querySelector('video').play()"),
}


class Visitor:
    """A person who watches a clip on a page of another site."""

    def __init__(self, context: BrowserContext, site: OtherSite, cluster: Cluster) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.route("**/clip.webm*", _send_clip)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self._site = site
        self._cluster = cluster

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "warning":
            self.warnings.append(message.text)
        elif message.type == "error":
            self.errors.append(message.text)

    def open(self, body: str, settings: str = "") -> None:
        """Go to a page with this body. `settings`: attributes of the script."""
        script = f'<script async {settings} src="{self._cluster.url}/count.js"></script>'
        self._site.pages["/"] = f"<!doctype html><html lang=en><title>Clip</title>{script}{body}"
        self.page.goto(self._site.origin)

    def plays(self, selector: str = "video") -> None:
        """Start the player."""
        self.page.evaluate("selector => document.querySelector(selector).play()", selector)

    def watches_all(self, rate: int = 8) -> None:
        """Watch to the end, so many times as fast."""
        self.page.evaluate(
            """rate => new Promise(resolve => {
                const player = document.querySelector('video');
                player.addEventListener('ended', resolve, {once: true});
                player.playbackRate = rate;
                player.play();
            })""",
            rate,
        )

    def seeks(self, to_s: float) -> None:
        """Seek, without playing."""
        self.page.evaluate(
            """to_s => new Promise(resolve => {
                const player = document.querySelector('video');
                player.addEventListener('seeked', resolve, {once: true});
                const seek = () => { player.currentTime = to_s; };
                if (player.readyState) seek();
                else player.addEventListener('loadedmetadata', seek, {once: true});
            })""",
            to_s,
        )

    def until_counted(self, cluster: Cluster, video: str, views: int) -> None:
        """Wait until this page has sent all its views, and until so many count."""
        wait_until(lambda: cluster.a.views(video) >= views, f"{views} views of {video} count")
        unsent = "() => Object.keys(localStorage).filter(key => key.includes('unsent:'))"
        wait_until(lambda: not self.page.evaluate(unsent), "the page has sent all")
        # The node that took the last one may not have told the others yet.
        assert {node.views(video) for node in cluster.nodes.values()} <= {views - 1, views}


def _send_clip(route: Route) -> None:
    """Players seek only in clips that come in ranges."""
    clip = CLIP.read_bytes()
    first = int((route.request.headers.get("range") or "bytes=0-")[6:].partition("-")[0])
    headers = {
        "Content-Type": "video/webm",
        "Accept-Ranges": "bytes",
        "Content-Range": f"bytes {first}-{len(clip) - 1}/{len(clip)}",
    }
    route.fulfill(status=206, headers=headers, body=clip[first:])


def _send_part(part: Path, route: Route) -> None:
    """Send a part of the clip as HLS."""
    route.fulfill(body=part.read_bytes(), content_type=HLS_TYPES[part.suffix])


def player(video: str) -> str:
    return f'<video data-ratchet="{video}" src="clip.webm" muted></video>'


@pytest.fixture(scope="module")
def site() -> Iterator[OtherSite]:
    """A site that the nodes list in RATCHET_COUNT_ORIGINS."""
    with other_site() as site:
        yield site


@pytest.fixture(scope="module")
def _listing(site: OtherSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environ = {"RATCHET_COUNT_ORIGINS": site.origin}
    folder = tmp_path_factory.mktemp("count")
    with running_cluster(folder, flags=("--open",), environ=environ) as running:
        yield running


@pytest.fixture
def counting(_listing: Cluster) -> Iterator[Cluster]:
    """Three nodes behind a balancer that let the site count."""
    yield _listing
    _listing.mend()


@pytest.fixture
def visitor(profile: BrowserContext, site: OtherSite, counting: Cluster) -> Iterator[Visitor]:
    visitor = Visitor(profile, site, counting)
    yield visitor
    assert not visitor.errors


@pytest.fixture(scope="module")
def hls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clip as HLS."""
    folder = tmp_path_factory.mktemp("hls")
    search = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    node = shutil.which("node", path=search)
    assert node, "Node.js has built the page, and is gone"
    subprocess.run([node, str(AS_HLS), str(CLIP), str(folder)], check=True)
    return folder


@pytest.mark.parametrize("example", PLAYERS)
def test_the_examples_count(
    counting: Cluster, site: OtherSite, visitor: Visitor, video: str, hls: Path, example: str
) -> None:
    for part in hls.iterdir():
        visitor.page.route(f"**/{part.name}", partial(_send_part, part))
    page = (EXAMPLES / example).read_text()
    files, play = PLAYERS[example]
    for file in files:
        site.pages[f"/{Path(file).name}"] = (NODE_MODULES / file).read_text()
    site.pages["/example"] = page.replace(EXAMPLE_SITE, counting.url).replace(
        'data-ratchet="tide"', f'data-ratchet="{video}"'
    )
    visitor.page.goto(f"{site.origin}/example")
    visitor.page.evaluate(play)
    visitor.until_counted(counting, video, 1)
    if example == "count.html":
        expect(visitor.page.locator("#views")).to_have_text("1 views")
    assert not visitor.warnings


def test_the_tags_of_the_how_to_count(
    counting: Cluster, site: OtherSite, visitor: Visitor, video: str
) -> None:
    text = HOW_TO.read_text().split("```html")[1].split("```")[0]
    assert "https://views.example.org/count.js" in text
    tags = text.replace("https://views.example.org", counting.url).replace("tide.webm", "clip.webm")
    site.pages["/"] = "<!doctype html><html lang=en><title>Clip</title>" + tags.replace(
        'data-ratchet="tide"', f'muted data-ratchet="{video}"'
    )
    visitor.page.goto(site.origin)
    visitor.plays()
    visitor.until_counted(counting, video, 1)


class TestAView:
    def test_begins_with_playback_and_again_only_after_the_end(
        self, counting: Cluster, visitor: Visitor, video: str
    ) -> None:
        visitor.open(player(video))
        visitor.plays()
        visitor.until_counted(counting, video, 1)
        visitor.page.evaluate(
            """async () => {
                const player = document.querySelector('video');
                for (const at_s of [1, 0.5]) {
                    player.pause();
                    player.currentTime = at_s;
                    await player.play();
                }
            }"""
        )
        visitor.watches_all()
        visitor.plays()
        visitor.until_counted(counting, video, 2)

    def test_of_a_clip_that_loops_counts_once(
        self, counting: Cluster, visitor: Visitor, video: str, other_video: str
    ) -> None:
        other = player(other_video).replace("<video", "<video id=other")
        visitor.open(player(video).replace("muted", "muted loop") + other)
        visitor.page.evaluate(
            """() => new Promise(resolve => {
                const player = document.querySelector('video');
                let rounds = 0;
                player.addEventListener('seeked', () => {
                    rounds += 1;
                    if (rounds === 2) resolve();
                });
                player.playbackRate = 8;
                player.play();
            })"""
        )
        visitor.plays("#other")
        visitor.until_counted(counting, other_video, 1)
        assert counting.a.views(video) == 1

    def test_that_began_before_the_script_came_counts(
        self, counting: Cluster, visitor: Visitor, video: str
    ) -> None:
        visitor.open(player(video).replace("muted", "muted autoplay"))
        visitor.until_counted(counting, video, 1)

    def test_counts_once_enough_was_watched(
        self, counting: Cluster, visitor: Visitor, video: str
    ) -> None:
        visitor.open(player(video), 'data-after="1.5"')
        visitor.page.evaluate(
            """() => {
                window.counted = [];
                const player = document.querySelector('video');
                document.addEventListener('ratchet-counted', () => {
                    counted.push(player.currentTime);
                });
            }"""
        )
        # To seek is not to watch.
        visitor.seeks(2)
        visitor.plays()
        visitor.until_counted(counting, video, 1)
        visitor.page.wait_for_function("() => counted.length")
        assert visitor.page.evaluate("() => counted[0]") >= 3.5

    def test_is_not_watched_by_moving_the_slider(
        self, counting: Cluster, visitor: Visitor, video: str, other_video: str
    ) -> None:
        other = player(other_video).replace("<video", "<video id=other")
        visitor.open(player(video) + other, 'data-after="1.5"')
        visitor.page.evaluate(
            """async () => {
                const player = document.querySelector('video');
                await player.play();
                player.pause();
                for (let at_s = 0.25; at_s < 4; at_s += 0.25) {
                    const seeked = new Promise(resolve => {
                        player.addEventListener('seeked', resolve, {once: true});
                    });
                    player.currentTime = at_s;
                    await seeked;
                }
            }"""
        )
        visitor.plays("#other")
        visitor.until_counted(counting, other_video, 1)
        assert counting.a.views(video) == 0

    def test_of_a_stream_counts_though_its_duration_is_known_only_later(
        self, counting: Cluster, visitor: Visitor, video: str
    ) -> None:
        visitor.open(player(video), 'data-after="3600"')
        # The duration of a live stream is infinite until the stream ends.
        visitor.page.evaluate(
            """async () => {
                const player = document.querySelector('video');
                Object.defineProperty(player, 'duration', {value: Infinity, configurable: true});
                const playing = new Promise(resolve => {
                    player.addEventListener('playing', resolve, {once: true});
                });
                await player.play();
                await playing;
                delete player.duration;
            }"""
        )
        visitor.watches_all()
        visitor.until_counted(counting, video, 1)

    def test_of_a_shorter_clip_counts_once_most_of_it_was_watched(
        self, counting: Cluster, visitor: Visitor, video: str
    ) -> None:
        visitor.open(player(video), 'data-after="3600"')
        visitor.seeks(3)
        visitor.watches_all()
        # On a busy machine, the page hears late that the clip plays. At eight times the speed it
        # would miss more than a tenth of it.
        visitor.watches_all(rate=2)
        visitor.until_counted(counting, video, 1)

    def test_counts_once_a_day_if_the_site_wants_that(
        self, counting: Cluster, visitor: Visitor, video: str, other_video: str
    ) -> None:
        body = player(video) + player(other_video).replace("<video", "<video id=other")
        for _ in range(2):
            visitor.open(body, "data-once=day")
            visitor.plays()
            visitor.plays("#other")
            visitor.until_counted(counting, other_video, 1)
            assert counting.a.views(video) == 1
        # A day later.
        visitor.page.clock.install(time="2099-01-01")
        visitor.open(body, "data-once=day")
        visitor.plays()
        visitor.until_counted(counting, video, 2)

    def test_waits_for_a_node_and_is_sent_by_the_next_page(
        self, counting: Cluster, visitor: Visitor, video: str
    ) -> None:
        visitor.open(player(video))
        for node in counting.nodes.values():
            node.kill9()
        with visitor.page.expect_event("requestfailed"):
            visitor.plays()
        stored = "() => JSON.stringify(localStorage)"
        assert video in visitor.page.evaluate(stored)
        visitor.page.goto("about:blank")
        counting.mend()
        visitor.errors.clear()
        visitor.open("<p>Another page</p>")
        visitor.until_counted(counting, video, 1)
        wait_until(lambda: visitor.page.evaluate(stored) == "{}", "nothing is stored")
        assert visitor.page.context.cookies() == []


class TestAPlayer:
    def test_may_come_move_and_change_its_video(
        self, counting: Cluster, visitor: Visitor, video: str, other_video: str
    ) -> None:
        visitor.open("<p>A page of one's own</p>")
        visitor.page.evaluate(
            """([video, other]) => {
                document.body.innerHTML = `<div data-ratchet="${video}"><b></b></div>`;
                const player = Object.assign(document.createElement('video'), {
                    src: 'clip.webm', muted: true,
                });
                document.querySelector('b').append(player);
                return player.play();
            }""",
            [video, other_video],
        )
        visitor.until_counted(counting, video, 1)
        visitor.page.evaluate(
            """async other => {
                const player = document.querySelector('video');
                document.querySelector('div').dataset.ratchet = other;
                player.src = 'clip.webm?again';
                await player.play();
            }""",
            other_video,
        )
        visitor.until_counted(counting, other_video, 1)
        assert counting.a.views(video) == 1

    def test_without_a_good_id_counts_nothing_and_says_so(
        self, counting: Cluster, visitor: Visitor, video: str
    ) -> None:
        body = player("no id").replace("<video", "<video id=bad") + player(video)
        visitor.open(f"{body}<video id=none src=clip.webm muted></video>", "data-after=soon")
        for selector in ("#bad", "#none", f"[data-ratchet={video}]"):
            visitor.plays(selector)
        visitor.until_counted(counting, video, 1)
        assert len(visitor.warnings) == 2
        assert "data-after is a number" in visitor.warnings[0]
        assert 'not "no id"' in visitor.warnings[1]


class TestAPage:
    def test_that_loads_the_script_again_counts_each_view_once(
        self, counting: Cluster, visitor: Visitor, video: str, other_video: str
    ) -> None:
        other = player(other_video).replace("<video", "<video id=other")
        again = f'<script src="{counting.url}/count.js"></script>'
        visitor.open(player(video) + other + again)
        visitor.plays()
        visitor.until_counted(counting, video, 1)
        visitor.plays("#other")
        visitor.until_counted(counting, other_video, 1)
        assert counting.a.views(video) == 1

    def test_needs_two_sources_in_its_policy(
        self, counting: Cluster, site: OtherSite, visitor: Visitor, video: str
    ) -> None:
        site.headers = {
            "Content-Security-Policy": f"default-src 'none'; script-src {counting.url}; "
            f"connect-src {counting.url}; media-src 'self'; require-trusted-types-for 'script'"
        }
        try:
            visitor.open(player(video))
            visitor.plays()
            visitor.until_counted(counting, video, 1)
        finally:
            site.headers = {}

    def test_of_a_site_that_is_not_listed_counts_nothing(
        self, counting: Cluster, profile: BrowserContext, video: str
    ) -> None:
        with other_site() as unlisted:
            stranger = Visitor(profile, unlisted, counting)
            stranger.open(player(video))
            with stranger.page.expect_event("requestfailed"):
                stranger.plays()
            stranger.page.goto("about:blank")
        assert counting.a.views(video) == 0
        assert any("CORS" in error for error in stranger.errors)

    def test_with_a_script_that_does_not_know_its_site_is_told(
        self, counting: Cluster, site: OtherSite, visitor: Visitor, video: str
    ) -> None:
        script = counting.a.get("/count.js").text
        site.pages["/"] = (
            f"<!doctype html><html lang=en><title>Clip</title>{player(video)}"
            "<script type=module>import '/bundle.js'</script>"
        )
        visitor.page.route(
            "**/bundle.js",
            lambda route: route.fulfill(body=script, content_type="text/javascript"),
        )
        visitor.page.goto(site.origin)
        wait_until(lambda: visitor.page.evaluate("true") and visitor.warnings, "the page is warned")
        assert "plain <script async src>" in visitor.warnings[0]
