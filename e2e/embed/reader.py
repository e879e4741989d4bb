"""A person who reads a page of another site that shows counts, and the pages that she reads."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Frame,
    Locator,
    Page,
    Route,
    WebSocket,
    expect,
)

from e2e.cluster import Cluster
from e2e.other_site import OtherSite
from e2e.viewer import PATIENCE_MS
from testing.nodes import wait_until

BROWSER: Final = Path(__file__).parents[2] / "browser"
EXAMPLE: Final = BROWSER / "examples/embed.html"
EXAMPLE_SITE: Final = "http://127.0.0.1:8080"


class Reader:
    """A person who reads a page of another site, and everything that happens in her browser."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.sockets: list[WebSocket] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("websocket", lambda socket: self.sockets.append(socket))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "warning" and "<view-count>" in message.text:
            self.warnings.append(message.text)
        elif message.type == "error":
            self.errors.append(message.text)

    def reads(self, number: str, at: int = 0) -> None:
        """Wait until the element shows this text."""
        expect(self.counts.nth(at).locator("data")).to_have_text(number)

    @property
    def counts(self) -> Locator:
        return self.page.locator("view-count")

    @property
    def frame(self) -> Frame:
        """The one frame of the counting site, once it has loaded."""
        self.until(lambda: len(self._frames()) == 1, "there is one frame")
        return self._frames()[0]

    def _frames(self) -> list[Frame]:
        return [frame for frame in self.page.frames if frame.url.endswith("/embed")]

    def merged(self, views: int, video: str) -> None:
        """Wait until the frame has stored a merged state of this many views."""
        wait_until(lambda: self._stored(video) == views, f"{views} views are stored")

    def _stored(self, video: str) -> int:
        """The sum of the stored state; 0 if nothing is stored."""
        return int(
            self.frame.evaluate(
                """async video => {
                    const known = await indexedDB.databases(); // to open one makes it
                    if (!known.some(({ name }) => name === 'ratchet')) return 0;
                    const success = asked => new Promise((done, refuse) => {
                        asked.onsuccess = done;
                        asked.onerror = refuse;
                    });
                    const open = indexedDB.open('ratchet');
                    await success(open);
                    const counters = open.result.transaction('counters').objectStore('counters');
                    const asked = counters.get(video);
                    await success(asked);
                    open.result.close();
                    const { base, slots } = JSON.parse(asked.result ?? '{"base": 0, "slots": {}}');
                    return Object.values(slots).reduce((a, b) => a + b, base);
                }""",
                video,
            )
        )

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait for a condition on the browser's events. They arrive during calls to the browser."""
        wait_until(lambda: self.page.evaluate("true") and holds(), what)

    def writes(self, script: str) -> None:
        """Run a script as the page itself."""
        self.page.evaluate(script)


NewReader = Callable[..., Reader]


def page_of(cluster: Cluster, body: str) -> str:
    """A page of the blog."""
    return (
        "<!doctype html><html lang=en><title>Blog</title>"
        f'<script async src="{cluster.url}/view-count.js"></script><body>{body}'
    )


def open_page(reader: Reader, blog: OtherSite, cluster: Cluster, body: str) -> None:
    blog.pages["/"] = page_of(cluster, body)
    reader.page.goto(blog.origin)


def example(cluster: Cluster, first: str, second: str) -> str:
    """The example page, of two of this cluster's videos."""
    page = EXAMPLE.read_text().replace(EXAMPLE_SITE, cluster.url)
    page = page.replace('video="tide"', f'video="{first}"').replace("/tide/", f"/{first}/")
    return page.replace('video="loom"', f'video="{second}"')


def streams(requested: Sequence[str]) -> list[str]:
    """The event streams among these requests."""
    return [url for url in requested if "/events" in url]


def served_by(cluster: Cluster) -> set[str]:
    answers = [httpx.get(f"{cluster.url}/embed", trust_env=False) for _ in range(4)]
    return {answer.headers.get("X-Ratchet-Node", "") for answer in answers}


def leave_a_stale_node(
    cluster: Cluster,
    blog: OtherSite,
    reader: Reader,
    element: str,
    video: str,
    seen: Callable[[], None] = lambda: None,
) -> None:
    """Let the reader see six views on a page with `element`, and wait for `seen`. Then c alone is
    left, which has heard of one of them."""
    cluster.b.view(video)
    wait_until(lambda: cluster.c.views(video) == 1, "c has heard of the first view")
    open_page(reader, blog, cluster, element)
    reader.reads("1")
    cluster.cut_off("c")
    for node in (cluster.a, cluster.b, cluster.a, cluster.b, cluster.a):
        node.view(video)
    # The page may have connected to c. Then nothing more comes once c is gone.
    cluster.c.kill9()
    reader.reads("6")
    seen()
    cluster.c.start()
    cluster.a.kill9()
    cluster.b.kill9()
    wait_until(lambda: served_by(cluster) == {"c"}, "the balancer has only c")


# Hides a page until it calls `show()`.
HIDDEN: Final = """
    let hidden = true;
    Object.defineProperty(document, 'hidden', { get: () => hidden });
    globalThis.show = () => {
        hidden = false;
        document.dispatchEvent(new Event('visibilitychange'));
    };
"""
WITNESS: Final = """
    const witness = globalThis.witness = [];
    const look = () => {
        const shown = document.querySelector('view-count')?.shadowRoot?.textContent;
        if (shown && shown !== witness.at(-1)) witness.push(shown);
        requestAnimationFrame(look);
    };
    look();
"""


NODE_MODULES: Final = BROWSER / "node_modules"
REACT: Final = ("react/umd/react.production.min.js", "react-dom/umd/react-dom.production.min.js")
# The same document as React sees it. `strange`: what it found in the document besides.
REACT_APP: Final = """
window.strange = [];
const h = React.createElement;
function App() {
  const [clicks, setClicks] = React.useState(0);
  React.useEffect(() => { window.hydrated = true; }, []);
  const ours = document.querySelector('script[src$="/view-count.js"]').getAttribute('src');
  const {attributes} = document.querySelector('view-count');
  const same = Object.fromEntries([...attributes].map(({name, value}) => [name, value]));
  return h('html', {lang: 'en'},
    h('head', null, h('title', null, 'Blog'), h('script', {async: true, src: ours})),
    h('body', null,
      h('button', {onClick: () => setClicks(clicks + 1)}, clicks),
      h('p', null, h('view-count', same, 'many')),
      ...['/react.js', '/react-dom.js', '/app.js'].map((src) => h('script', {key: src, src}))));
}
ReactDOM.hydrateRoot(document, h(App), {
  onRecoverableError: (error) => strange.push(String(error)),
});
"""


def hydrate(
    reader: Reader, blog: OtherSite, cluster: Cluster, element: str, ready: Callable[[], None]
) -> None:
    """Open a page with `element` whose whole document React hydrates, once `ready` has returned.

    React compares the document with what it has rendered, and takes a node that it does not know
    for a fault. Then it throws the document away.
    """
    scripts = ["/react.js", "/react-dom.js", "/app.js"]
    for path, file in zip(scripts, REACT, strict=False):
        blog.pages[path] = (NODE_MODULES / file).read_text()
    blog.pages["/app.js"] = REACT_APP
    blog.pages["/"] = (
        '<!DOCTYPE html><html lang="en"><head><title>Blog</title>'
        f'<script async="" src="{cluster.url}/view-count.js"></script></head>'
        f"<body><button>0</button><p>{element}</p>"
        + "".join(f'<script src="{path}"></script>' for path in scripts)
        + "</body></html>"
    )
    waiting: list[Route] = []
    reader.page.route("**/app.js", lambda route: waiting.append(route))
    reader.page.goto(blog.origin, wait_until="commit")
    ready()
    reader.until(lambda: waiting, "the page asks for its last script")
    waiting[0].continue_()
    reader.page.wait_for_function("() => window.hydrated")
