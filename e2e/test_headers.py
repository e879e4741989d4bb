"""The headers of every page, file and response, and what they let a page do and load."""

import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page
from ratchet_server.demo.machine import CLIPS
from ratchet_server.http.built import Built

from e2e.cluster import Cluster
from e2e.other_site import other_site
from e2e.viewer import Viewer
from testing.nodes import Node

# The folder of the built page, which the nodes here serve.
BUILT: Final = Built.read(Path(page) if (page := os.environ.get("RATCHET_PAGE")) else None)
FILES: Final = sorted(
    path.relative_to(BUILT.assets).as_posix()
    for path in BUILT.assets.rglob("*")
    if path.is_file() and path.suffix not in {".br", ".gz"}
)
VIDEO: Final = "tide"
PAGES: Final = ["/", f"/watch/{VIDEO}", "/learn", "/cluster", "/embed"]
ANSWERS: Final = ["/api/videos", f"/api/videos/{VIDEO}", f"/api/videos/{VIDEO}/snapshot",
                  "/api/node", "/api/cluster", "/healthz", "/readyz", "/metrics", "/no-such-path",
                  "/api/videos/no-such", "/assets/x/y", "/media/no-such.webm"]  # fmt: skip
TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".py": "text/x-python",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".whl": "application/zip",
    ".zip": "application/zip",
}

# The console reports violations, too. This event also names the rule that was broken.
VIOLATIONS: Final = """
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', ({violatedDirective, blockedURI}) =>
        violations.push(`${violatedDirective} ${blockedURI}`));
"""


def policy(answer: httpx.Response) -> dict[str, str]:
    """A Content-Security-Policy, each directive with its sources."""
    said = answer.headers["content-security-policy"].split(";")
    pairs = [directive.strip().partition(" ") for directive in said]
    # A browser obeys the first of two equal directives.
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: sources for name, _, sources in pairs}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that serves three clips. `VIDEO` is one of them."""
    with Node("a", tmp_path_factory.mktemp("node"), flags=["--media", str(CLIPS)]) as node:
        yield node.start()


class TestPages:
    @pytest.mark.parametrize("path", [path for path in PAGES if path != "/embed"])
    def test_have_a_policy_that_lists_what_they_need_and_nothing_more(
        self, node: Node, path: str
    ) -> None:
        answer = node.get(path)
        assert answer.status_code == 200
        assert policy(answer) == {
            "default-src": "'none'",
            "script-src": "'self' 'wasm-unsafe-eval'",
            "style-src": "'self'",
            "img-src": "'self'",
            "media-src": "'self'",
            "worker-src": "'self'",
            "connect-src": "'self'",
            "object-src": "'none'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        # There are no cookies, and no header names the software that runs here.
        assert not {"set-cookie", "server", "x-powered-by"} & answer.headers.keys()

    def test_may_ask_the_playground_where_there_is_one(self, tmp_path: Path) -> None:
        environ = {"RATCHET_PLAYGROUND": "http://127.0.0.1:8081"}
        with Node("a", tmp_path, data=":memory:", environ=environ) as node:
            node.start()
            assert policy(node.get("/"))["connect-src"] == "'self' http://127.0.0.1:8081"
            assert policy(node.get("/embed"))["connect-src"] == "'self'"

    def test_only_the_embedded_one_may_be_framed_and_only_by_sites_that_are_listed(
        self, tmp_path: Path
    ) -> None:
        environ = {"RATCHET_EMBED_ORIGINS": "https://a.example,http://b.example:8080"}
        with Node("a", tmp_path, data=":memory:", environ=environ) as node:
            node.start()
            framed = node.get("/embed")
            origins = "https://a.example http://b.example:8080"
            assert policy(framed)["frame-ancestors"] == f"'self' {origins}"
            # X-Frame-Options can't name sites, and every browser today knows `frame-ancestors`.
            assert "x-frame-options" not in framed.headers
            assert framed.headers["cross-origin-resource-policy"] == "cross-origin"
            for path in ("/", "/learn", "/cluster"):
                answer = node.get(path)
                assert policy(answer)["frame-ancestors"] == "'none'"
                assert answer.headers["x-frame-options"] == "DENY"

    def test_of_the_site_itself_may_always_frame_the_embedded_one(self, node: Node) -> None:
        framed = node.get("/embed")
        assert policy(framed)["frame-ancestors"] == "'self'"
        assert framed.headers["x-frame-options"] == "SAMEORIGIN"
        assert framed.headers["cross-origin-resource-policy"] == "same-origin"

    @pytest.mark.parametrize("path", PAGES)
    def test_have_nothing_inline_and_nothing_from_elsewhere(self, node: Node, path: str) -> None:
        page = _Inlined()
        page.feed(node.get(path).text)
        page.close()
        assert page.found == []
        assert page.scripts > 0

    def test_are_in_no_frame_of_another_site(
        self, cluster: Cluster, video: str, viewer: Viewer
    ) -> None:
        with other_site() as stranger:
            stranger.pages["/"] = "".join(
                f'<iframe src="{cluster.url}{path.format(video=video)}"></iframe>'
                for path in ("/", "/watch/{video}", "/learn", "/embed")
            )
            viewer.page.goto(stranger.origin)
            frames = viewer.page.frames[1:]
            assert len(frames) == 4
            for frame in frames:
                frame.wait_for_url(re.compile("^chrome-error:"), wait_until="commit")
        viewer.complaints.clear()  # the browser reports the refused frame


class TestFiles:
    def test_of_the_build_are_what_their_type_says_and_this_sites_alone(self, node: Node) -> None:
        for name in FILES:
            answer = node.get(f"/assets/{BUILT.name}/{name}")
            assert answer.status_code == 200, name
            kind = TYPES.get(Path(name).suffix, "application/octet-stream")
            assert answer.headers["content-type"].split(";")[0] == kind, name
            assert answer.headers["x-content-type-options"] == "nosniff", name
            assert answer.headers["cross-origin-resource-policy"] == "same-origin", name
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable", name
            # A worker obeys the policy of its own file.
            said = policy(answer)
            assert said["default-src"] == "'none'", name
            assert said["script-src"] == "'self' 'wasm-unsafe-eval'", name
            assert said["connect-src"] == "'self'", name

    def test_of_clips_are_this_sites_alone(self, node: Node) -> None:
        for suffix in ("webm", "webp"):
            for sent in ({}, {"Range": "bytes=0-9"}):
                answer = node.get(f"/media/{VIDEO}.{suffix}", sent)
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["cross-origin-resource-policy"] == "same-origin"

    @pytest.mark.parametrize(("script", "most_bytes"), [("view-count", 5632), ("count", 3584)])
    def test_the_scripts_for_others_may_be_loaded_by_them(
        self, node: Node, script: str, most_bytes: int
    ) -> None:
        answer = node.get(f"/{script}.js", {"Accept-Encoding": "gzip"})
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        # Without a charset, a page in another encoding would read the script in that encoding.
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "max-age=3600" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) < most_bytes
        known = {"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]}
        again = node.get(f"/{script}.js", known)
        assert (again.status_code, again.content) == (304, b"")


class TestAnswers:
    def test_are_what_their_type_says_and_of_this_moment(self, node: Node) -> None:
        for path in ANSWERS:
            answer = node.get(path)
            assert answer.headers["x-content-type-options"] == "nosniff", path
            # A cache asks the node before it uses a number.
            assert answer.headers["cache-control"] in {"no-store", "no-cache"}, path
            unwanted = {"set-cookie", "server", "access-control-allow-origin"}
            assert not unwanted & answer.headers.keys(), path


class TestInTheBrowser:
    @pytest.fixture
    def asked(self, viewer: Viewer) -> list[str]:
        """Every URL that the viewer's browser requests."""
        found: list[str] = []
        viewer.page.context.on("request", lambda request: found.append(request.url))
        viewer.page.on("websocket", lambda socket: found.append(socket.url))
        viewer.page.add_init_script(VIOLATIONS)
        return found

    def test_the_watch_page_requests_nothing_elsewhere_and_breaks_no_rule(
        self, cluster: Cluster, video: str, viewer: Viewer, asked: list[str]
    ) -> None:
        viewer.open(cluster.url, video)
        viewer.play()
        viewer.sees(1)
        viewer.merged(1)
        assert _hosts(asked) == {urlsplit(cluster.url).netloc}
        assert any(url.startswith("ws:") for url in asked)
        assert _violations(viewer.page) == []

    @pytest.mark.parametrize("path", ["/", "/learn", "/embed"])
    def test_no_other_page_does_either(
        self, cluster: Cluster, viewer: Viewer, asked: list[str], path: str
    ) -> None:
        viewer.page.goto(f"{cluster.url}{path}", wait_until="networkidle")
        assert _hosts(asked) == {urlsplit(cluster.url).netloc}
        assert _violations(viewer.page) == []

    def test_nor_does_the_operators_page(
        self, cluster: Cluster, viewer: Viewer, asked: list[str]
    ) -> None:
        viewer.page.goto(f"{cluster.a.url}/cluster")
        viewer.page.get_by_test_id("members").locator("tr").nth(2).wait_for()
        assert _hosts(asked) == {urlsplit(cluster.a.url).netloc}
        assert _violations(viewer.page) == []

    def test_injected_code_does_not_run(
        self, cluster: Cluster, video: str, profile: BrowserContext
    ) -> None:
        page = profile.new_page()
        page.add_init_script(VIOLATIONS)
        page.goto(f"{cluster.url}/watch/{video}")
        with other_site() as stranger:
            page.evaluate(
                """async elsewhere => {
                    const slip = html => {
                        const box = document.createElement('div');
                        box.append(document.createRange().createContextualFragment(html));
                        document.body.append(box);
                    };
                    slip('<script>globalThis.slipped = 1</script>');
                    slip(`<script src="${elsewhere}/x.js"></script>`);
                    slip('<p style="color: red" onclick="globalThis.slipped = 2">x</p>');
                    document.body.lastElementChild.firstElementChild.click();
                    slip('<a href="javascript:globalThis.slipped = 3">x</a>');
                    document.body.lastElementChild.firstElementChild.click();
                    slip(`<img src="${elsewhere}/x.png"><base href="${elsewhere}">`);
                    slip(`<iframe src="${elsewhere}/"></iframe>`);
                    // Don't call eval from here: the debugger's own code may evaluate anything.
                    setTimeout(() => (0, eval)('globalThis.slipped = 4'));
                    await fetch(elsewhere).catch(() => {});
                }""",
                stranger.origin,
            )
            page.wait_for_function("() => violations.length >= 9")
        assert page.evaluate("() => globalThis.slipped") is None
        broken = {violation.split()[0] for violation in _violations(page)}
        assert broken >= {"script-src-elem", "script-src-attr", "style-src-attr", "img-src",
                          "base-uri", "frame-src", "connect-src", "script-src"}  # fmt: skip


class _Inlined(HTMLParser):
    """Finds inline code, which a policy without 'unsafe-inline' forbids, and other hosts' URLs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self._in_script = tag == "script"
        if tag == "script":
            self.scripts += 1
            if not (said.get("src") or "").startswith("/assets/"):
                self.found.append(f"a script of {said}")
        if tag in {"style", "base", "object", "embed", "iframe"}:
            self.found.append(tag)
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.found.append(f"{tag} {name}={value}")
            # A reader chooses to follow a link. What loads by itself, she does not choose.
            elsewhere = re.match(r"(https?:)?//|data:|blob:", value or "")
            if elsewhere and not (tag == "a" and name == "href"):
                self.found.append(f"{tag} {name}={value}")
            if re.match("javascript:", value or ""):
                self.found.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.found.append(f"a script inline: {data[:50]}")

    def handle_endtag(self, _tag: str) -> None:
        self._in_script = False


def _hosts(urls: list[str]) -> set[str]:
    return {urlsplit(url).netloc for url in urls}


def _violations(page: Page) -> list[str]:
    found: list[str] = page.evaluate("() => violations")
    return found
