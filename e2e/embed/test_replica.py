"""`<view-count replica>` on pages of another site: a hidden frame merges what all nodes send."""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

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
from testing.nodes import Node, wait_until


def framed_example(cluster: Cluster, first: str, second: str) -> str:
    return example(cluster, first, second).replace("<view-count ", "<view-count replica ")


class TestTheExample:
    def test_counts_live_in_the_page_of_another_site(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str, other_video: str
    ) -> None:
        cluster.a.view(video)
        blog.pages["/example"] = framed_example(cluster, video, other_video)
        reader.page.goto(f"{blog.origin}/example")
        reader.reads("1")
        reader.reads("0", at=1)
        cluster.b.view(video)
        cluster.c.view(other_video)
        reader.reads("2")
        reader.reads("1", at=1)
        reader.merged(2, video)
        picture = reader.page.locator("img")
        expect(picture).to_have_js_property("complete", value=True)
        assert picture.evaluate("image => image.naturalHeight") == 28
        assert not reader.warnings + reader.errors

    def test_needs_only_three_sources_in_the_policy_of_its_page(
        self, cluster: Cluster, reader: Reader, blog: OtherSite, video: str
    ) -> None:
        site = cluster.url
        blog.headers = {
            "Content-Security-Policy": f"default-src 'none'; script-src {site}; frame-src {site}; "
            f"img-src {site}; require-trusted-types-for 'script'"
        }
        try:
            cluster.a.view(video)
            blog.pages["/example"] = framed_example(cluster, video, video)
            reader.page.goto(f"{blog.origin}/example")
            reader.reads("1")
        finally:
            blog.headers = {}
        assert not reader.warnings + reader.errors

    def test_counts_in_a_page_that_is_isolated_from_other_origins(
        self, cluster: Cluster, reader: Reader, blog: OtherSite, video: str
    ) -> None:
        """Pages with shared memory are: their frames need a header that says they may be there."""
        blog.headers = {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
        }
        try:
            cluster.a.view(video)
            blog.pages["/example"] = framed_example(cluster, video, video)
            reader.page.goto(f"{blog.origin}/example")
            assert reader.page.evaluate("crossOriginIsolated")
            reader.reads("1")
            reader.merged(1, video)
        finally:
            blog.headers = {}
        assert not reader.warnings + reader.errors

    def test_shows_the_picture_where_there_are_no_scripts(
        self, cluster: Cluster, blog: OtherSite, new_reader: NewReader, video: str, other_video: str
    ) -> None:
        cluster.a.view(video)
        wait_until(lambda: cluster.c.views(video) == 1, "all have heard of it")
        reader = new_reader(java_script_enabled=False)
        blog.pages["/example"] = framed_example(cluster, video, other_video)
        with reader.page.expect_response("**/views.svg") as answered:
            reader.page.goto(f"{blog.origin}/example")
        assert ">1<" in answered.value.text()
        for picture in reader.page.locator("img").all():
            box = picture.bounding_box()
            assert box
            assert box["height"] == 28
            assert box["width"] > 60
        assert "many" in reader.page.locator("body").inner_text()


class TestItsMemory:
    def test_a_reload_against_a_stale_node_never_shows_less(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        element = f'<view-count replica video="{video}">?</view-count>'
        leave_a_stale_node(cluster, blog, reader, element, video, lambda: reader.merged(6, video))

        reader.page.add_init_script(WITNESS)
        with reader.page.expect_response(f"**/api/videos/{video}") as answered:
            reader.page.reload()
        assert answered.value.headers["x-ratchet-node"] == "c"
        assert answered.value.json()["views"] == 1
        reader.reads("6")

        # The number doesn't merely stand still: it also counts the view that only c has.
        cluster.c.view(video)
        reader.reads("7")
        # The witness looks in the next frame.
        reader.until(lambda: reader.page.evaluate("witness.at(-1)") == "7", "it has seen that, too")
        assert reader.page.evaluate("witness") == ["6", "7"]

    def test_the_number_is_there_before_the_site_answers(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        cluster.a.view(video)
        open_page(reader, blog, cluster, f'<view-count replica video="{video}">?</view-count>')
        reader.reads("1")
        reader.page.route("**/embed", lambda route: route.abort())
        reader.page.reload()
        reader.reads("1")

    def test_garbage_in_it_counts_as_nothing(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        cluster.a.view(video)
        open_page(reader, blog, cluster, f'<view-count replica video="{video}">?</view-count>')
        reader.reads("1")
        key = f"ratchet:view-count:{cluster.url}/{video}"
        for text in ("", "{", "null", "[]", '{"views": -1}', '{"views": "9"}', '{"views": 9}',
                     '{"views": 9, "exact": {}, "short": "9"}', "9" * 99):  # fmt: skip
            reader.page.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, text])
            reader.page.reload()
            reader.reads("1")
            expect(reader.counts).to_have_js_property("views", 1)
        assert not reader.warnings + reader.errors

    def test_in_the_readers_language_and_short_if_asked(
        self, cluster: Cluster, blog: OtherSite, new_reader: NewReader, video: str
    ) -> None:
        body = f'<view-count replica video="{video}"></view-count> '
        body += f'<view-count replica compact video="{video}">'
        for locale, exact, short in (
            ("en-US", "1,234,567", "1.2M"),
            ("de-DE", "1.234.567", "1,2\u00a0Mio."),
        ):
            reader = new_reader(locale=locale)
            open_page(reader, blog, cluster, body)
            reader.reads("0")
            # Pretend that this browser has seen this many views.
            reader.frame.evaluate(
                "video => localStorage.setItem(`ratchet:high:${video}`, '1234567')", video
            )
            reader.page.reload()
            reader.reads(exact)
            number = reader.counts.nth(1).locator("data")
            expect(number.locator("[aria-hidden]")).to_have_text(short)
            expect(number).to_have_attribute("title", exact)
            assert exact in reader.page.locator("body").aria_snapshot()
            assert short not in reader.page.locator("body").aria_snapshot()

    @pytest.mark.parametrize("blocked", ["third-party", "all"])
    def test_a_browser_that_stores_nothing_shows_it_all_the_same(
        self,
        cluster: Cluster,
        blog: OtherSite,
        new_reader: NewReader,
        video: str,
        blocked: str,
    ) -> None:
        everywhere = {"default_content_setting_values": {"cookies": 2}}
        reader = new_reader(STORES_NOT | (everywhere if blocked == "all" else {}))
        cluster.a.view(video)
        open_page(reader, blog, cluster, f'<view-count replica video="{video}">?</view-count>')
        reader.reads("1")
        refused = "() => { try { return !localStorage; } catch { return true; } }"
        assert reader.frame.evaluate(refused)
        assert reader.page.evaluate(refused) == (blocked == "all")
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
        open_page(reader, blog, cluster, "")
        reader.writes(
            """() => {
                const element = document.createElement('view-count');
                element.toggleAttribute('replica', true);
                element.textContent = 'nothing yet';
                document.body.append(element);
            }"""
        )
        expect(reader.counts).to_have_text("nothing yet")
        assert reader.page.frames == [reader.page.main_frame]

        attribute = "video => document.querySelector('view-count').setAttribute('video', video)"
        reader.page.evaluate(attribute, video)
        reader.reads("1")
        reader.page.evaluate(attribute, other_video)
        reader.reads("0")
        cluster.a.view(other_video)
        reader.reads("1")
        reader.until(lambda: _watched(reader) == [other_video], "only the second one is watched")

        # The element has moved: the page sends no new request.
        asked = len(reader.sockets)
        reader.writes("() => document.body.prepend(document.querySelector('view-count'))")
        cluster.a.view(other_video)
        reader.reads("2")
        assert len(reader.sockets) == asked

        reader.writes("() => document.querySelector('view-count').remove()")
        reader.until(lambda: not _watched(reader), "nothing is watched any more")
        assert not reader.warnings + reader.errors

    def test_many_of_one_video_are_one_frame_and_one_connection(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        body = f'<view-count replica video="{video}"></view-count> ' * 5
        open_page(reader, blog, cluster, body + page_of(cluster, ""))  # it loads the script twice
        for at in range(5):
            reader.reads("0", at)
        cluster.a.view(video)
        for at in range(5):
            reader.reads("1", at)
        assert reader.frame
        assert len(reader.sockets) == 1
        assert not reader.warnings + reader.errors

    def test_many_of_many_videos_are_one_connection_even_without_websockets(
        self,
        cluster: Cluster,
        blog: OtherSite,
        new_reader: NewReader,
        ten_videos: Sequence[str],
    ) -> None:
        """A browser opens six connections to a host. Each event stream keeps one."""
        reader = new_reader()
        reader.page.context.add_init_script("delete window.WebSocket;")
        requested: list[str] = []
        reader.page.on("request", lambda sent: requested.append(sent.url))
        body = "".join(
            f'<view-count replica video="{video}">?</view-count> ' for video in ten_videos
        )
        open_page(reader, blog, cluster, body)
        for at in range(len(ten_videos)):
            reader.reads("0", at)
        last = ten_videos[-1]
        reader.until(lambda: any(last in url for url in streams(requested)), "all are streamed")
        for video in ten_videos:
            cluster.a.view(video)
        for at in range(len(ten_videos)):
            reader.reads("1", at)
        assert [url for url in streams(requested) if url.count("also=") < 4] == []
        assert not reader.warnings + reader.errors

    def test_of_an_unknown_video_keeps_what_stands_in_it_and_says_why_once(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        body = '<view-count replica video="no-such">many</view-count>'
        body += '<view-count replica video="../x">some</view-count>'
        open_page(reader, blog, cluster, f'{body}<view-count replica video="{video}">')
        reader.reads("0", at=2)
        reader.until(lambda: len(reader.warnings) == 2, "both are warned of")
        assert sorted(reader.warnings) == [
            '<view-count>: no views of "../x": this is no video’s id.',
            '<view-count>: no views of "no-such": the site counts no such video.',
        ]
        expect(reader.counts.nth(0)).to_have_text("many")
        expect(reader.counts.nth(1)).to_have_text("some")
        assert [socket for socket in reader.sockets if video not in socket.url] == []

    def test_on_a_hidden_page_costs_nothing(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        reader.page.add_init_script(HIDDEN)
        open_page(reader, blog, cluster, f'<view-count replica video="{video}">?</view-count>')
        reader.page.wait_for_function("() => customElements.get('view-count')")
        assert reader.page.frames == [reader.page.main_frame]
        reader.page.evaluate("() => show()")
        assert reader.frame

    def test_survives_a_page_that_writes_itself_anew(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        open_page(reader, blog, cluster, f'<view-count replica video="{video}">?</view-count>')
        reader.reads("0")
        reader.writes(
            "() => { document.body.innerHTML += ' '; document.querySelector('iframe').remove(); }"
        )
        reader.writes("() => { document.body.innerHTML += '<p>'; }")
        cluster.a.view(video)
        reader.writes(
            "() => document.body.insertAdjacentHTML"
            f"('beforeend', '<view-count replica video={video}>')"
        )
        reader.reads("1", at=1)
        reader.reads("1")


class TestPagesOfTheSiteItself:
    def test_need_not_be_listed(self, cluster: Cluster, reader: Reader, video: str) -> None:
        cluster.a.view(video)
        page = page_of(cluster, f'<view-count replica video="{video}">?</view-count>')
        own = f"{cluster.url}/a-page-that-another-server-has"
        reader.page.route(own, lambda route: route.fulfill(body=page, content_type="text/html"))
        reader.page.goto(own)
        reader.reads("1")
        assert reader.frame.url == f"{cluster.url}/embed"
        assert not reader.warnings + reader.errors


class TestPagesOfOthers:
    def test_that_react_hydrates_as_a_whole_keep_the_counts_and_find_nothing_strange(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        def script_has_run() -> None:
            reader.page.wait_for_function("() => customElements.get('view-count')")

        element = f'<view-count replica video="{video}">many</view-count>'
        hydrate(reader, blog, cluster, element, script_has_run)
        cluster.a.view(video)
        reader.reads("1")
        button = reader.page.get_by_role("button")
        button.click()
        expect(button).to_have_text("1")
        cluster.a.view(video)
        reader.reads("2")
        assert reader.frame
        assert reader.page.evaluate("strange") == []
        assert not reader.warnings + reader.errors

    def test_whose_load_never_ends_show_counts_all_the_same(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        cluster.a.view(video)
        reader.page.clock.install()
        reader.page.route("**/never.png", lambda _: None)
        element = f'<view-count replica video="{video}">?</view-count>'
        blog.pages["/"] = page_of(cluster, f'{element}<img alt="" src="/never.png">')
        reader.page.goto(blog.origin, wait_until="commit")
        reader.page.wait_for_function("() => customElements.get('view-count')")
        reader.page.clock.run_for(11_000)
        reader.reads("1")

    def test_show_the_counts_of_two_sites(
        self,
        cluster: Cluster,
        blog: OtherSite,
        reader: Reader,
        video: str,
        tmp_path: Path,
    ) -> None:
        """Each site's snippet has its script before its elements. An element may name its site."""
        environ = {"RATCHET_EMBED_ORIGINS": blog.origin}
        with Node("z", tmp_path, flags=("--open",), environ=environ) as other:
            other.start()
            for _ in range(5):
                other.view(video)
            cluster.a.view(video)
            element = f'<view-count replica video="{video}"></view-count> '
            body = (
                element
                + f'<script async src="{other.url}/view-count.js"></script>{element}'
                + f'<view-count replica site="{cluster.url}" video="{video}"></view-count>'
                + f'<view-count replica site="{other.url}/" video="{video}"></view-count>'
                + '<view-count replica site="nonsense" video="x">many</view-count>'
            )
            open_page(reader, blog, cluster, body)
            for at, number in enumerate(["1", "5", "1", "5"]):
                reader.reads(number, at)
            expect(reader.counts.nth(4)).to_have_text("many")
            other.view(video)
            cluster.a.view(video)
            for at, number in enumerate(["2", "6", "2", "6"]):
                reader.reads(number, at)
            # An element that moves to the other site shows that site's number.
            reader.page.evaluate(
                "site => document.querySelector('view-count').setAttribute('site', site)", other.url
            )
            reader.reads("6")
            assert len(reader.warnings) == 1
            assert "nonsense" in reader.warnings[0]
            assert not reader.errors


class TestOtherSites:
    def test_that_are_not_listed_get_no_frame_and_are_told_why_once(
        self, cluster: Cluster, reader: Reader, video: str, other_video: str
    ) -> None:
        body = f'<view-count replica video="{video}">many</view-count>'
        body += f'<view-count replica video="{other_video}">'
        with other_site() as stranger:
            open_page(reader, stranger, cluster, body)
            reader.until(lambda: reader.warnings, "it is said why")
            assert stranger.origin in reader.warnings[0]
            assert "RATCHET_EMBED_ORIGINS" in reader.warnings[0]
            expect(reader.counts.first).to_have_text("many")
            assert len(reader.warnings) == 1
            # The browser prints this line. No script can prevent it.
            assert len(reader.errors) == 1
            assert "frame-ancestors" in reader.errors[0]
            # The page may not read what it requests by itself, either.
            answer = reader.page.evaluate(
                "url => fetch(url).then(() => 'read', () => 'refused')",
                f"{cluster.url}/api/videos/{video}",
            )
            assert answer == "refused"

    @pytest.mark.parametrize(
        "way",
        [
            "url => fetch(url, { method: 'POST', mode: 'no-cors' })",
            "url => fetch(url, { method: 'POST' }).catch(() => {})",
            "url => navigator.sendBeacon(url)",
            """url => {
                const form = document.body.appendChild(document.createElement('form'));
                Object.assign(form, { method: 'POST', action: url, target: 'frame' });
                document.body.insertAdjacentHTML('beforeend', '<iframe name="frame"></iframe>');
                form.submit();
            }""",
        ],
        ids=["fetch without CORS", "fetch", "beacon", "form"],
    )
    def test_do_not_count_with_the_browsers_of_their_visitors(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str, way: str
    ) -> None:
        ended: list[str] = []
        for event in ("response", "requestfailed"):  # The latter: the page may not read it.
            reader.page.on(event, lambda what: ended.append(what.url))
        open_page(reader, blog, cluster, "")
        path = f"/api/videos/{video}/views"
        reader.page.evaluate(way, cluster.url + path)
        reader.until(lambda: any(path in url for url in ended), "the node has answered")
        assert cluster.a.views(video) == cluster.b.views(video) == cluster.c.views(video) == 0

    def test_that_are_listed_read_the_json_but_open_no_websocket(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        cluster.a.view(video)
        wait_until(lambda: cluster.c.views(video) == 1, "all have heard of it")
        open_page(reader, blog, cluster, "")
        for path in ("", "/snapshot"):
            answer = reader.page.evaluate(
                "url => fetch(url).then(answer => answer.json())",
                f"{cluster.url}/api/videos/{video}{path}",
            )
            assert answer["video"] == video
        live = cluster.url.replace("http", "ws") + f"/api/videos/{video}/live"
        ended = reader.page.evaluate(
            """url => new Promise(done => {
                const socket = new WebSocket(url);
                socket.onopen = () => done('open');
                socket.onclose = () => done('refused');
            })""",
            live,
        )
        assert ended == "refused"

    def test_a_page_may_send_anything_to_the_frame(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        open_page(reader, blog, cluster, f'<view-count replica video="{video}">?</view-count>')
        reader.reads("0")
        reader.writes(
            """() => {
                const frame = document.querySelector('iframe').contentWindow;
                const said = [null, 7, 'watch', [], {}, {watch: null}, {watch: {}}, {watch: []},
                    {watch: '__proto__'}, {watch: 'x'.repeat(1e6)}, {watch: '<b>'}, {forget: 'y'},
                    {forget: null}, {views: 9}, new Map([['watch', 'z']]), new ArrayBuffer(9)];
                for (const message of said) frame.postMessage(message, '*');
                globalThis.refused = [];
                addEventListener('message', ({data}) => data.refused && refused.push(data.refused));
                for (let number = 10; number < 300; number += 1)
                    frame.postMessage({watch: `clip-${number}`}, '*');
            }"""
        )
        cluster.a.view(video)
        reader.reads("1")
        # The catalogue has 60 videos. The frame followed nothing else.
        refused = reader.page.wait_for_function("() => refused.length > 100").evaluate(
            "() => refused"
        )
        assert set(refused) <= {
            "a page shows 100 videos at most.",
            "the site counts no such video.",
            "this is no video’s id.",
        }
        reader.until(lambda: len(_watched(reader)) > 10, "those that there are are followed")
        assert len(_watched(reader)) <= 100

    def test_nobody_but_the_frame_is_believed(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        open_page(reader, blog, cluster, f'<view-count replica video="{video}">?</view-count>')
        reader.reads("0")
        lie = json.dumps({"video": video, "views": 9, "exact": "9", "short": "9"})
        with other_site() as stranger:
            stranger.pages["/liar"] = (
                f"<script>parent.postMessage({lie}, '*');"
                "for (let at = 0; at < parent.length; at += 1) "
                "parent[at].postMessage({watch: 'clip-59'}, '*');"
                "parent.postMessage('done', '*');</script>"
            )
            reader.page.evaluate(
                """([lie, url]) => {
                    postMessage(lie, '*');
                    const liar = document.createElement('iframe');
                    liar.src = url;
                    const done = new Promise(resolve => addEventListener('message', ({data}) => {
                        if (data === 'done') resolve();
                    }));
                    document.body.append(liar);
                    return done;
                }""",
                [json.loads(lie), f"{stranger.origin}/liar"],
            )
            cluster.a.view(video)
            reader.reads("1")
            assert [socket for socket in reader.sockets if "clip-59" in socket.url] == []

    def test_a_frame_that_lies_shows_no_nonsense(
        self, cluster: Cluster, blog: OtherSite, reader: Reader, video: str
    ) -> None:
        """The page trusts the counting site with numbers, and with nothing else."""
        open_page(reader, blog, cluster, f'<view-count replica video="{video}">?</view-count>')
        reader.reads("0")
        reader.frame.evaluate(
            """([video, origin]) => {
                const say = said => parent.postMessage(said, origin);
                for (const views of [-1, 1.5, NaN, 2 ** 60, '9', null, {}])
                    say({video, views, exact: 'nine', short: 'nine'});
                say({video, views: 9});
                say({video, views: 9, exact: {}, short: 'nine'});
                say({video, views: 9, exact: 'x'.repeat(1e6), short: 'nine'});
                for (const said of [null, 7, [], {video: null}, {video: {}}, {video: 'other'}])
                    say(said);
                say({video, views: 1, exact: '<b onclick=alert(1)>1</b>', short: '1'});
            }""",
            [video, blog.origin],
        )
        reader.reads("<b onclick=alert(1)>1</b>")
        assert reader.page.locator("b").count() == 0
        assert not reader.errors


def _watched(reader: Reader) -> list[str]:
    """The videos of all open websockets."""
    urls = [urlsplit(socket.url) for socket in reader.sockets if not socket.is_closed()]
    return [
        video
        for url in urls
        for video in [url.path.split("/")[3], *parse_qs(url.query).get("also", [])]
    ]
