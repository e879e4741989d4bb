"""Python's start in a real browser: from the cache, or plainly where the cache is of no use."""

import re
from typing import Final

import pytest
from playwright.sync_api import Error, Page

from e2e.cluster import Cluster
from e2e.conftest import NewViewer
from e2e.viewer import Viewer
from testing.nodes import wait_until

# Loads the core as a worker does. Returns how it started, and the merged number.
_LOAD: Final = """async (assets) => {
  const { loadCore } = await import(`${assets}/core.js`);
  const { pyodide, how } = await loadCore();
  const snapshot = { video: 'tide', base: 40, slots: { 'a@1763800000000001': 2 }, folded: {} };
  const merge = pyodide.pyimport('ratchet.passive').merge;
  return [how, JSON.parse(merge('tide', '', '', JSON.stringify(snapshot))).value];
}"""
_KEPT: Final = """async () => {
  const found = [];
  for (const name of await caches.keys()) {
    for (const { url } of await (await caches.open(name)).keys()) found.push(url.split('/').at(-1));
  }
  return found.sort();
}"""
# Replaces the cached file of this name by something else.
_SPOIL: Final = """async ([name, how]) => {
  const ways = {
    missing: () => undefined,
    'cut short': (bytes) => bytes.subarray(0, bytes.length / 2),
    'a bit flipped': (bytes) => { bytes[bytes.length >> 1] ^= 1; return bytes; },
    'of another Pyodide': async (bytes, url) => {
      const { pack } = await import(new URL('../core-snapshot.js', url));
      const memory = new Uint8Array(4 << 20).map((_, at) => at * 7);
      const config = { version: '0.0.0', hiwireKeys: [null], immortalKeys: [] };
      return pack(new Uint8Array(4 << 20), memory, config);
    },
  };
  const cache = await caches.open((await caches.keys())[0]);
  const request = (await cache.keys()).find(({ url }) => url.endsWith(name));
  const answer = await cache.match(request);
  const made = await ways[how](new Uint8Array(await answer.arrayBuffer()), request.url);
  if (made) await cache.put(request, new Response(made, { headers: answer.headers }));
  else await cache.delete(request);
}"""
WHOLE: Final = ["pyodide.asm.wasm", "python_stdlib.zip", "started.snapshot"]


@pytest.fixture
def page(new_viewer: NewViewer, cluster: Cluster) -> Page:
    """A page of the site on which nothing else loads Python, and time-outs are short."""
    page = new_viewer().page
    page.add_init_script(
        "{ const { setTimeout } = window; window.setTimeout = (f, ms) => setTimeout(f, ms / 30); }"
    )
    page.goto(f"{cluster.a.url}/")
    return page


def assets(page: Page) -> str:
    found = re.search(r"/assets/\w+", page.content())
    assert found
    return found[0]


def load(page: Page) -> list[object]:
    page.reload()
    loaded: list[object] = page.evaluate(_LOAD, assets(page))
    return loaded


def wait_until_kept(page: Page) -> None:
    wait_until(lambda: page.evaluate(_KEPT) == WHOLE, "all is kept for the next start")


def test_the_second_start_is_from_the_snapshot(page: Page) -> None:
    assert load(page) == ["plain", 42]
    wait_until_kept(page)
    assert load(page) == ["snapshot", 42]


def test_the_second_start_asks_for_nothing_but_scripts(page: Page) -> None:
    load(page)
    wait_until_kept(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    load(page)
    assert not [url for url in asked if url.endswith((".wasm", ".zip", ".snapshot"))]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("started.snapshot", "missing"),
        ("started.snapshot", "cut short"),
        ("started.snapshot", "a bit flipped"),
        ("started.snapshot", "of another Pyodide"),
        ("pyodide.asm.wasm", "cut short"),
        ("python_stdlib.zip", "missing"),
    ],
)
def test_what_is_spoilt_means_a_plain_start(page: Page, name: str, how: str) -> None:
    load(page)
    wait_until_kept(page)
    page.evaluate(_SPOIL, [name, how])
    assert load(page) == ["plain", 42]
    wait_until_kept(page)  # the cache is whole again


def test_what_is_kept_of_another_build_goes(page: Page) -> None:
    page.evaluate(
        "async () => (await caches.open('ratchet-core')).put('/assets/old', new Response('old'))"
    )
    assert load(page) == ["plain", 42]
    wait_until_kept(page)


def test_where_nothing_may_be_kept_every_start_is_plain(page: Page) -> None:
    # This is so over plain HTTP from another machine, or when all cookies are blocked.
    page.add_init_script("delete window.caches; delete Window.prototype.caches;")
    assert load(page) == ["plain", 42]
    assert load(page) == ["plain", 42]


def test_a_start_without_webassembly_fails_instead_of_waiting(page: Page) -> None:
    page.context.route("**/pyodide.asm.wasm", lambda route: route.abort())
    with pytest.raises(Error, match="fetch"):
        load(page)


def test_the_worker_that_merges_starts_from_it_too(
    page: Page, cluster: Cluster, video: str
) -> None:
    load(page)
    wait_until_kept(page)
    asked = watch(page, cluster, video)
    assert len([url for url in asked if url.endswith("/core-start.js")]) == 1
    assert not [url for url in asked if url.endswith((".wasm", ".zip", ".snapshot"))]


@pytest.mark.parametrize(
    ("name", "how"),
    [("started.snapshot", "of another Pyodide"), ("pyodide.asm.wasm", "cut short")],
)
def test_the_worker_that_merges_does_not_mind_what_is_spoilt(
    page: Page, cluster: Cluster, video: str, name: str, how: str
) -> None:
    load(page)
    wait_until_kept(page)
    page.evaluate(_SPOIL, [name, how])
    asked = watch(page, cluster, video)
    # There was one worker. It did not fail, and Python started plainly in it.
    assert len([url for url in asked if url.endswith("/core-start.js")]) == 1
    assert [url for url in asked if url.endswith("/pyodide.asm.wasm")]


def watch(page: Page, cluster: Cluster, video: str) -> list[str]:
    """Every request of a page and its worker, until the page has merged."""
    viewer = Viewer(page.context)
    viewer.page.add_init_script("delete window.SharedWorker")  # Playwright can't see its requests
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    cluster.a.view(video)
    viewer.open(cluster.a.url, video)
    assert viewer.merged(1)
    assert viewer.complaints == []
    return asked
