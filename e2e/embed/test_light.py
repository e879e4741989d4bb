"""`<view-count>` on pages of another site: one stream, no frame, and never less after a reload."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Route, expect

from e2e.cluster import Cluster
from e2e.embed.conftest import STORES_NOT
from e2e.embed.reader import (
    HIDDEN,
    WITNESS,
    NewReader,
    Reader,
    example,
    hydrate,
    leave_a_stale_node,
    open_page,
    page_of,
    streams,
)
from e2e.other_site import OtherSite, other_site


class TestTheExample:
    def test_counts_live_and_needs_three_sources_in_the_policy_of_its_page(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str, other_video: str
    ) -> None:
        site = cluster.url
        blog.headers = {
            "Content-Security-Policy": f"default-src 'none'; script-src {site}; "
            f"connect-src {site}; img-src {site}; require-trusted-types-for 'script'"
        }
        try:
            cluster.a.view(video)
            blog.pages["/example"] = example(cluster, video, other_video)
            reader.page.goto(f"{blog.origin}/example")
            reader.reads("1")
            reader.reads("0", at=1)
            cluster.b.view(video)
            cluster.c.view(other_video)
            reader.reads("2")
            reader.reads("1", at=1)
        finally:
            blog.headers = {}
        assert not reader.warnings + reader.errors

    def test_costs_a_guest_two_requests_and_some_kilobytes(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        devtools = reader.page.context.new_cdp_session(reader.page)
        devtools.send("Network.enable")
        began: dict[str, str] = {}
        got: dict[str, int] = {}

        def noted(event: dict[str, Any]) -> None:
            if event["request"]["url"].startswith(cluster.url):
                began[event["requestId"]] = event["request"]["url"]

        def came(event: dict[str, Any]) -> None:
            key = event["requestId"]
            got[key] = got.get(key, 0) + event["encodedDataLength"]

        devtools.on("Network.requestWillBeSent", noted)
        devtools.on("Network.dataReceived", came)
        cluster.a.view(video)
        open_page(reader, blog, cluster, f'<view-count video="{video}">?</view-count>')
        reader.reads("1")
        reader.until(lambda: sum(got.get(key, 0) for key in began) > 1000, "the script has come")
        assert len(began) == 2, began
        assert sum(got.get(key, 0) for key in began) < 12_000
        assert reader.page.frames == [reader.page.main_frame]
        assert not reader.warnings + reader.errors


class TestItsMemory:
    def test_a_reload_against_a_stale_node_never_shows_less(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        element = f'<view-count video="{video}">?</view-count>'
        leave_a_stale_node(cluster, blog, reader, element, video)

        reader.page.add_init_script(WITNESS)
        with reader.page.expect_response("**/events?*") as answered:
            reader.page.reload()
        assert answered.value.headers["x-ratchet-node"] == "c"
        assert cluster.c.views(video) == 1
        reader.reads("6")
        # With c alone, it goes on where c passes what this browser has seen.
        for _ in range(6):
            cluster.c.view(video)
        reader.reads("7")
        reader.until(lambda: reader.page.evaluate("witness.at(-1)") == "7", "it has seen that, too")
        assert reader.page.evaluate("witness") == ["6", "7"]

    def test_the_number_is_there_before_the_site_answers(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        cluster.a.view(video)
        open_page(reader, blog, cluster, f'<view-count video="{video}">?</view-count>')
        reader.reads("1")
        reader.page.route("**/api/**", lambda route: route.abort())
        reader.page.reload()
        reader.reads("1")

    def test_in_the_readers_language_and_short_if_asked(
        self, cluster: Cluster, blog: OtherSite, new_reader: NewReader, video: str
    ) -> None:
        body = f'<view-count video="{video}"></view-count> <view-count compact video="{video}">'
        snapshot = {"video": video, "base": 1_234_567, "slots": {}, "folded": {}}
        for locale, exact, short in (
            ("en-US", "1,234,567", "1.2M"),
            ("de-DE", "1.234.567", "1,2\u00a0Mio."),
        ):
            reader = new_reader(locale=locale)
            reader.page.route("**/events?*", lambda route: _stream(route, json.dumps(snapshot)))
            open_page(reader, blog, cluster, body)
            reader.reads(exact)
            number = reader.counts.nth(1).locator("data")
            expect(number.locator("[aria-hidden]")).to_have_text(short)
            expect(number).to_have_attribute("title", exact)

    def test_a_browser_that_stores_nothing_shows_it_all_the_same(
        self, cluster: Cluster, blog: OtherSite, new_reader: NewReader, video: str
    ) -> None:
        reader = new_reader(STORES_NOT | {"default_content_setting_values": {"cookies": 2}})
        cluster.a.view(video)
        open_page(reader, blog, cluster, f'<view-count video="{video}">?</view-count>')
        reader.reads("1")
        cluster.b.view(video)
        reader.reads("2")
        reader.page.reload()
        reader.reads("2")
        assert not reader.warnings


class TestTheElement:
    def test_may_come_later_change_and_go(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str, other_video: str
    ) -> None:
        cluster.a.view(video)
        requested: list[str] = []
        reader.page.on("request", lambda sent: requested.append(sent.url))
        open_page(reader, blog, cluster, "")
        reader.writes(
            """() => {
                const element = document.createElement('view-count');
                element.textContent = 'nothing yet';
                document.body.append(element);
            }"""
        )
        expect(reader.counts).to_have_text("nothing yet")
        attribute = "video => document.querySelector('view-count').setAttribute('video', video)"
        reader.page.evaluate(attribute, video)
        reader.reads("1")
        reader.page.evaluate(attribute, other_video)
        reader.reads("0")
        cluster.a.view(other_video)
        reader.reads("1")
        reader.until(
            lambda: other_video in streams(requested)[-1] and video not in streams(requested)[-1],
            "only the second one is streamed",
        )
        asked = len(streams(requested))
        reader.writes("() => document.body.prepend(document.querySelector('view-count'))")
        cluster.a.view(other_video)
        reader.reads("2")
        assert len(streams(requested)) == asked
        assert not reader.warnings + reader.errors

    def test_many_are_one_stream(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, ten_videos: Sequence[str]
    ) -> None:
        """A browser opens six connections to a host. Each event stream keeps one."""
        requested: list[str] = []
        reader.page.on("request", lambda sent: requested.append(sent.url))
        elements = [f'<view-count video="{video}">?</view-count> ' for video in ten_videos]
        # The script may be there twice.
        open_page(reader, blog, cluster, "".join(elements * 2) + page_of(cluster, ""))
        for at in range(20):
            reader.reads("0", at)
        for video in ten_videos:
            cluster.a.view(video)
        for at in range(20):
            reader.reads("1", at)
        assert len(streams(requested)) == 1
        assert not reader.warnings + reader.errors

    @pytest.mark.parametrize("replica", [False, True])
    def test_of_a_page_that_replaces_them_all_are_all_shown(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, replica: bool
    ) -> None:
        """An app goes to its next page: the counts of both pages are more than one stream has."""
        reader.page.route("**/events?*", _stream_of_ones)
        reader.page.route("**/embed", _frame_of_ones)
        open_page(reader, blog, cluster, "")
        for page in ("first", "second"):
            reader.page.evaluate(REPLACE, [[f"{page}-{n}" for n in range(60)], replica])
            for at in range(60):
                reader.reads("1", at)
        assert not reader.warnings + reader.errors

    def test_of_more_videos_than_one_stream_has_are_said_to_be_too_many(
        self, cluster: Cluster, blog: OtherSite, reader: Reader
    ) -> None:
        reader.page.route("**/events?*", _stream_of_ones)
        open_page(reader, blog, cluster, "")
        reader.page.evaluate(REPLACE, [[f"v{n}" for n in range(101)], False])
        reader.until(lambda: reader.warnings, "it is said why")
        expect(reader.counts.locator("data")).to_have_count(100)
        why = "a page shows 100 videos at most."
        assert reader.warnings == [f'<view-count>: no views of "v100": {why}']
        # There is room again.
        reader.page.evaluate("() => document.querySelector('view-count').remove()")
        reader.reads("1", 99)

    def test_of_an_unknown_video_keeps_what_stands_in_it_and_says_why_once(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        # The first one makes the whole stream fail.
        body = '<view-count video="no-such">many</view-count>'
        body += '<view-count video="../x">some</view-count>'
        open_page(reader, blog, cluster, f'{body}<view-count video="{video}">')
        reader.reads("0", at=2)
        reader.until(lambda: len(reader.warnings) == 2, "both are warned of")
        assert sorted(reader.warnings) == [
            '<view-count>: no views of "../x": this is no video\u2019s id.',
            '<view-count>: no views of "no-such": the site counts no such video.',
        ]
        expect(reader.counts.nth(0)).to_have_text("many")
        expect(reader.counts.nth(1)).to_have_text("some")
        cluster.a.view(video)
        reader.reads("1", at=2)

    def test_of_an_unknown_video_beside_a_known_one_is_said_to_be_unknown_too(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        body = f'<view-count video="{video}">?</view-count><view-count video="no-such">many'
        open_page(reader, blog, cluster, body)
        reader.until(lambda: reader.warnings, "it is warned of")
        assert "no-such" in reader.warnings[0]
        reader.reads("0")

    def test_on_a_hidden_page_costs_nothing(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        reader.page.add_init_script(HIDDEN)
        requested: list[str] = []
        reader.page.on("request", lambda sent: requested.append(sent.url))
        open_page(reader, blog, cluster, f'<view-count video="{video}">?</view-count>')
        reader.page.wait_for_function("() => customElements.get('view-count')")
        # Timers of the page have run: the stream would be there.
        reader.page.evaluate("() => new Promise(done => setTimeout(done, 500))")
        assert not streams(requested)
        reader.page.evaluate("() => show()")
        reader.reads("0")

    def test_becomes_a_replica_when_it_is_asked_to(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        cluster.a.view(video)
        open_page(reader, blog, cluster, f'<view-count video="{video}">?</view-count>')
        reader.reads("1")
        reader.writes("() => document.querySelector('view-count').toggleAttribute('replica')")
        reader.merged(1, video)
        cluster.a.view(video)
        reader.reads("2")
        assert not reader.warnings + reader.errors

    def test_falls_back_to_asking_where_streams_do_not_come_through(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        reader.page.route("**/events?*", lambda route: route.abort())
        cluster.a.view(video)
        open_page(reader, blog, cluster, f'<view-count video="{video}">?</view-count>')
        reader.reads("1")
        cluster.b.view(video)
        reader.reads("2")
        assert not reader.warnings


class TestPagesOfOthers:
    def test_that_react_hydrates_as_a_whole_keep_the_counts_and_find_nothing_strange(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        element = f'<view-count video="{video}">many</view-count>'
        # The number is there before React begins.
        hydrate(reader, blog, cluster, element, lambda: reader.reads("0"))
        cluster.a.view(video)
        reader.reads("1")
        assert reader.page.evaluate("strange") == []
        assert not reader.warnings + reader.errors

    def test_that_are_not_listed_get_no_number_and_are_told_why_once(
        self, cluster: Cluster, reader: Reader, video: str, other_video: str
    ) -> None:
        body = f'<view-count video="{video}">many</view-count><view-count video="{other_video}">'
        with other_site() as stranger:
            open_page(reader, stranger, cluster, body)
            reader.until(lambda: reader.warnings, "it is said why")
            assert stranger.origin in reader.warnings[0]
            assert "RATCHET_EMBED_ORIGINS" in reader.warnings[0]
            expect(reader.counts.first).to_have_text("many")
            assert len(reader.warnings) == 1

    @pytest.mark.parametrize(
        "said", ["", "{", "null", '{"video": "x"}', '{"video": "VIDEO", "base": -1, "slots": {}}']
    )
    def test_a_stream_of_garbage_shows_nothing(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str, said: str
    ) -> None:
        good = json.dumps({"video": video, "base": 3, "slots": {}})
        body = f"{said.replace('VIDEO', video)}\n\ndata: {good}"
        reader.page.route("**/events?*", lambda route: _stream(route, body))
        open_page(reader, blog, cluster, f'<view-count video="{video}">many</view-count>')
        reader.reads("3")
        assert not reader.warnings + reader.errors


REPLACE = """([videos, replica]) => document.body.replaceChildren(...videos.map(video => {
    const element = document.createElement('view-count');
    element.setAttribute('video', video);
    element.toggleAttribute('replica', replica);
    return element;
}))"""


def _stream_of_ones(route: Route) -> None:
    """Each video has one view."""
    url = urlsplit(route.request.url)
    videos = [url.path.split("/")[3], *parse_qs(url.query).get("also", [])]
    ones = [json.dumps({"video": video, "base": 1, "slots": {}}) for video in videos]
    _stream(route, "\n\ndata: ".join(ones))


FRAME_OF_ONES = """<!doctype html><script>
const watched = new Set();
addEventListener('message', ({ data: { watch: video, forget } }) => {
    watched.delete(forget);
    const answer = watched.size < 100 ? { views: 1, exact: '1', short: '1' } : { refused: 'full' };
    if (video) parent.postMessage({ video, ...answer }, '*');
    if (video && answer.views) watched.add(video);
});
</script>"""


def _frame_of_ones(route: Route) -> None:
    route.fulfill(content_type="text/html", body=FRAME_OF_ONES)


def _stream(route: Route, body: str) -> None:
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/event-stream"}
    route.fulfill(headers=headers, body=f"data: {body}\n\n")
