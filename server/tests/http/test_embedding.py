"""Counts on pages of other sites: which sites may read them, and the picture of a number."""

import re
import xml.etree.ElementTree as ElementTree
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from ratchet_server.http import badge, headers
from ratchet_server.settings import SettingError, sources
from ratchet_server.settings.values import LONGEST_LIST as LONGEST
from websockets.exceptions import InvalidStatus

from testing.nodes import HTTP, Node
from testing.wire import dial

BLOG = "https://blog.example"
READS = ["/api/videos", "/api/videos/x", "/api/videos/x/snapshot", "/api/videos/x/views.svg"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that lets two sites embed its counts."""
    environ = {"RATCHET_EMBED_ORIGINS": f" {BLOG} ,HTTP://Localhost:80,"}
    folder = tmp_path_factory.mktemp("listing")
    with Node("a", folder, data=":memory:", environ=environ) as node:
        yield node.start()


def shared_with(answer: httpx.Response) -> str | None:
    origin = answer.headers.get("access-control-allow-origin")
    return origin if origin is None else str(origin)


class TestReadingFromOtherSites:
    @pytest.mark.parametrize("path", [*READS, "/api/videos/%20", "/api/videos?limit=0"])
    @pytest.mark.parametrize("origin", [BLOG, "http://localhost"])
    def test_listed_sites_may(self, listing: Node, path: str, origin: str) -> None:
        answer = listing.get(path, {"Origin": origin})
        assert shared_with(answer) == origin
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers

    @pytest.mark.parametrize("path", READS)
    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "http://blog.example", f"{BLOG}:443", f"{BLOG}.evil.com",
                   "https://x.blog.example", BLOG.upper(), f"{BLOG}/", f"{BLOG}, {BLOG}", "null",
                   "", "*"],
    )  # fmt: skip
    def test_other_sites_may_not(self, listing: Node, path: str, origin: str) -> None:
        answer = listing.get(path, {"Origin": origin})
        assert answer.status_code == 200
        assert shared_with(answer) is None
        # So a cache does not send this response to a listed site.
        assert "Origin" in answer.headers["vary"]

    @pytest.mark.parametrize("path", READS)
    def test_no_site_may_if_none_is_listed(self, node: Node, path: str) -> None:
        answer = node.get(path, {"Origin": BLOG})
        assert shared_with(answer) is None
        assert "vary" not in answer.headers

    def test_all_sites_may_if_the_list_is_a_star(self, tmp_path: Path) -> None:
        environ = {"RATCHET_EMBED_ORIGINS": "*"}
        with Node("a", tmp_path, data=":memory:", environ=environ) as node:
            node.start()
            for path in READS:
                assert shared_with(node.get(path, {"Origin": BLOG})) == "*"

    def test_events_may_be_read_too(self, listing: Node) -> None:
        url = f"{listing.url}/api/videos/x/events"
        with HTTP.stream("GET", url, headers={"Origin": BLOG}) as answer:
            assert shared_with(answer) == BLOG

    def test_a_refusal_can_be_read_too(self, tmp_path: Path) -> None:
        """A page must be able to see the status: after a 503, it sends the request again."""
        environ = {"RATCHET_EMBED_ORIGINS": BLOG}
        with Node("a", tmp_path, flags=[], data=":memory:", environ=environ) as node:
            node.start()
            answer = node.get("/api/videos/x", {"Origin": BLOG})
            assert (answer.status_code, shared_with(answer)) == (404, BLOG)

    @pytest.mark.parametrize("path", ["/api/node", "/api/cluster", "/metrics", "/healthz"])
    def test_no_other_call_may_be_read(self, listing: Node, path: str) -> None:
        assert shared_with(listing.get(path, {"Origin": BLOG})) is None

    def test_those_that_may_read_may_not_count(self, listing: Node) -> None:
        """`RATCHET_COUNT_ORIGINS` lists the sites that may."""
        path = "/api/videos/counted/views"
        view = listing.post(path, {"Origin": BLOG})
        assert (view.status_code, shared_with(view)) == (403, None)
        preflight = HTTP.options(
            listing.url + path,
            headers={
                "Origin": BLOG,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "idempotency-key",
            },
        )
        assert preflight.status_code == 403
        assert shared_with(preflight) is None

    @pytest.mark.parametrize("origin", [BLOG, "http://localhost", "https://evil.example"])
    def test_no_other_site_may_open_a_websocket_listed_or_not(
        self, listing: Node, origin: str
    ) -> None:
        with (
            pytest.raises(InvalidStatus) as refused,
            dial(listing, "/api/videos/x/live", origin=origin),
        ):
            pass
        assert refused.value.response.status_code == 403


def listed(environ: dict[str, str]) -> object:
    """The sites that a node with this environment lists."""
    return sources.read_one("embed_origins", Namespace(), environ)


class TestTheListOfOrigins:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", ()),
            (" , ", ()),
            ("*", ("*",)),
            (" * ,", ("*",)),
            ("https://a.example", ("https://a.example",)),
            ("HTTPS://A.Example:443", ("https://a.example",)),
            ("http://a:80,http://a", ("http://a",)),
            ("http://a:8080,https://xn--bcher-kva.example", ("http://a:8080",
                                                            "https://xn--bcher-kva.example")),
            ("http://10.0.0.1:1", ("http://10.0.0.1:1",)),
        ],
    )  # fmt: skip
    def test_is_parsed_to_origins_as_browsers_send_them(
        self, text: str, expected: tuple[str, ...]
    ) -> None:
        assert listed({"RATCHET_EMBED_ORIGINS": text}) == expected

    def test_is_empty_by_default(self) -> None:
        assert listed({}) == ()

    @pytest.mark.parametrize(
        "text",
        ["a", "a.example", "//a.example", "https://", "https://a/", "https://a/b", "https://a?b",
         "https://a#b", "https://u@a", "https://u:p@a", "ftp://a", "file://", "null", "https://*",
         "https://*.a.example", "*,https://a", "https://a:0", "https://a:65536", "https://a:-1",
         "https://a:x", "https://a:", "https://b\u00fccher.example", "https://a b", "https://a\nb",
         "https://a\r\nX: y", "https://a;script-src", "https://a'", "https://a..b", "https://.a",
         "http://[::1]:80", "https://a https://b", "javascript:alert(1)", "https://\u212aelvin"],
    )  # fmt: skip
    def test_refuses_origins_that_no_browser_sends(self, text: str) -> None:
        with pytest.raises(SettingError, match=r"^RATCHET_EMBED_ORIGINS: "):
            listed({"RATCHET_EMBED_ORIGINS": text})

    def test_is_refused_when_it_makes_a_header_that_no_balancer_takes(self) -> None:
        # 21 characters and a space each.
        sites = [f"https://s{n:03}.example" for n in range(500)]
        longest = LONGEST // 22
        assert listed({"RATCHET_EMBED_ORIGINS": ",".join(sites[:longest])}) == (*sites[:longest],)
        with pytest.raises(SettingError, match=r"^RATCHET_EMBED_ORIGINS: 500 sites .* or give \*"):
            listed({"RATCHET_EMBED_ORIGINS": ",".join(sites)})

    def test_of_the_greatest_length_leaves_room_in_the_heads_that_haproxy_takes(self) -> None:
        head = headers.page(framed_by="x" * LONGEST)
        # 16 KiB in all, of which HAProxy keeps 1 KiB for headers that it adds.
        assert sum(len(f"{name}: {value}\r\n") for name, value in head.items()) < 14 * 1024

    @pytest.mark.parametrize(
        "text",
        [
            f"https://{'a' * 64}.example",
            f"https://{'.'.join(['a' * 63] * 4)}",
        ],
        ids=["a label of 64", "a host of 255"],
    )
    def test_refuses_hosts_that_are_longer_than_any_in_the_dns(self, text: str) -> None:
        for variable, field in (
            ("RATCHET_EMBED_ORIGINS", "embed_origins"),
            ("RATCHET_COUNT_ORIGINS", "count_origins"),
            ("RATCHET_PLAYGROUND", "playground"),
        ):
            with pytest.raises(SettingError, match=f"^{variable}: "):
                sources.read_one(field, Namespace(), {variable: text})


class TestThePicture:
    def test_shows_the_number(self, http: httpx.Client) -> None:
        assert "0 views" in http.get("/api/videos/pic-1/views.svg").text
        http.post("/api/videos/pic-1/views")
        answer = http.get("/api/videos/pic-1/views.svg")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "1 view<" in answer.text
        http.post("/api/videos/pic-1/views")
        assert "2 views" in http.get("/api/videos/pic-1/views.svg").text

    def test_is_sent_again_only_if_it_has_changed(self, http: httpx.Client) -> None:
        path = "/api/videos/pic-2/views.svg"
        first = http.get(path)
        assert first.headers["cache-control"] == "no-cache"
        etag = first.headers["etag"]
        for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            again = http.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
        for unknown in ("", '"x"', etag.strip('"'), ",", "x" * 4000):
            assert http.get(path, headers=[("If-None-Match", unknown)]).status_code == 200
        http.post("/api/videos/pic-2/views")
        changed = http.get(path, headers={"If-None-Match": etag})
        assert (changed.status_code, changed.headers["etag"] == etag) == (200, False)

    def test_may_be_shown_anywhere_and_do_nothing(self, http: httpx.Client) -> None:
        answer = http.get("/api/videos/pic-3/views.svg")
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script" not in answer.text
        assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")

    @pytest.mark.parametrize("views", [0, 1, 2, 999, 1_000, 9_999, 12_345, 10**9, 2**53 - 1])
    @pytest.mark.parametrize("compact", [False, True])
    def test_is_as_wide_as_its_text(self, views: int, compact: bool) -> None:
        svg = ElementTree.fromstring(badge.picture(views, compact=compact))
        width = float(svg.attrib["width"])
        assert svg.attrib["viewBox"] == f"0 0 {svg.attrib['width']} {svg.attrib['height']}"
        number, word = svg.findall(f"{SVG}text")
        ends = [
            float(text.attrib["x"]) + float(text.attrib["textLength"]) for text in (number, word)
        ]
        assert ends[0] < float(word.attrib["x"])
        assert ends[1] < width < ends[1] + 20
        assert number.text == (badge.short(views) if compact else f"{views:,}")
        # A screen reader gets the whole number, even if the picture shows it short.
        assert svg.attrib["aria-label"] == f"{views:,} {word.text}"
        # Every digit has enough room, however long the number is.
        digits = len(re.findall(r"\d", number.text or ""))
        assert float(number.attrib["textLength"]) >= digits * 7

    @pytest.mark.parametrize(
        ("views", "text"),
        [(0, "0"), (999, "999"), (9_999, "9,999"), (10_000, "10K"), (12_999, "12K"),
         (999_999, "999K"), (1_000_000, "1M"), (1_299_999, "1.2M"), (9_999_999, "9.9M"),
         (10_000_000, "10M"), (1_500_000_000, "1.5B"), (2**53 - 1, "9,007T")],
    )  # fmt: skip
    def test_may_be_short_and_is_never_rounded_up(self, views: int, text: str) -> None:
        assert badge.short(views) == text

    def test_is_short_with_compact_in_the_query(self, http: httpx.Client) -> None:
        for query in ("?compact", "?compact=", "?compact=yes", "?x=<script>&compact"):
            answer = http.get(f"/api/videos/pic-4/views.svg{query}")
            assert (answer.status_code, ">0<" in answer.text) == (200, True)
            assert "script" not in answer.text
