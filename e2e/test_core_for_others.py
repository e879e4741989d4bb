"""A page of another site loads the core from the nodes, by the lines that the lesson shows."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import ratchet
from playwright.sync_api import Page, Route, expect

from e2e.cluster import Cluster
from e2e.conftest import NewViewer
from e2e.other_site import OtherSite, other_site

PYODIDE: Final = Path(__file__).parents[1] / "browser/node_modules/pyodide"
RUNTIME: Final = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
SNAPSHOT: Final = {"video": "tide", "base": 40, "slots": {"a@1763800000000001": 2}, "folded": {}}
# What the page then does with the core: it merges, and hashes the modules that it got.
USE: Final = """
const merged = JSON.parse(merge('tide', '', '', %s));
const modules = JSON.parse(pyodide.runPython(`
import hashlib, json, pathlib, ratchet
folder = pathlib.Path(ratchet.__file__).parent
files = folder.glob("*.py")
json.dumps({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})
`));
globalThis.used = { merged, modules };
"""


@pytest.fixture(scope="module")
def school() -> Iterator[OtherSite]:
    """A site with Pyodide of its own, which no node lists."""
    with other_site() as site:
        site.files = {f"/{name}": PYODIDE / name for name in RUNTIME}
        yield site


@pytest.fixture
def lines(cluster: Cluster, new_viewer: NewViewer) -> str:
    """The lines that the lesson shows, as somebody copies them."""
    page = new_viewer().page
    page.goto(f"{cluster.url}/learn")
    shown = page.get_by_test_id("elsewhere")
    expect(shown).to_contain_text(cluster.url)
    return shown.inner_text()


def visit(page: Page, school: OtherSite, lines: str) -> None:
    """Open a page of the school that has these lines, and wait until it is done with them."""
    assert len(lines.splitlines()) == 3
    use = USE % json.dumps(json.dumps(SNAPSHOT))
    school.pages["/lesson"] = f"""<!doctype html><title>begins</title><script type="module">
        import {{ loadPyodide }} from './pyodide.mjs';
        try {{ {lines} {use} document.title = 'done'; }}
        catch (error) {{ document.title = 'failed'; globalThis.failure = String(error); }}
    </script>"""
    page.goto(f"{school.origin}/lesson")
    page.wait_for_function("document.title === 'done' || document.title === 'failed'")


def test_it_gets_the_core_that_the_nodes_run(
    school: OtherSite, new_viewer: NewViewer, lines: str
) -> None:
    page = new_viewer().page
    visit(page, school, lines)
    assert page.title() == "done", page.evaluate("globalThis.failure")
    used: dict[str, Any] = page.evaluate("globalThis.used")
    assert used["merged"]["value"] == 42
    ours = Path(ratchet.__file__).parent.glob("*.py")
    expected = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in ours}
    assert used["modules"] == expected


def test_the_wheel_is_loaded_once_and_the_lock_is_asked_for_each_time(
    cluster: Cluster, school: OtherSite, new_viewer: NewViewer, lines: str
) -> None:
    page = new_viewer().page
    visit(page, school, lines)
    # Where each file comes from: the site, or the browser's cache.
    cached: dict[str, bool] = {}

    def note(event: dict[str, Any]) -> None:
        response = event["response"]
        if response["url"].startswith(f"{cluster.url}/pyodide/"):
            cached[Path(response["url"]).suffix] = response["fromDiskCache"]

    network = page.context.new_cdp_session(page)
    network.on("Network.responseReceived", note)
    network.send("Network.enable")
    visit(page, school, lines)
    assert page.title() == "done"
    assert cached == {".json": False, ".whl": True}


def test_a_core_that_is_not_the_one_in_the_lock_is_refused(
    school: OtherSite, new_viewer: NewViewer, lines: str
) -> None:
    def forge(route: Route) -> None:
        lock = route.fetch().json()
        lock["packages"]["ratchet-views-core"]["sha256"] = "0" * 64
        route.fulfill(json=lock, headers={"Access-Control-Allow-Origin": "*"})

    viewer = new_viewer()
    viewer.page.route("**/pyodide-lock.json", forge)
    visit(viewer.page, school, lines)
    assert viewer.page.title() == "failed"
    assert "ratchet" in viewer.page.evaluate("globalThis.failure")
    assert any("integrity" in complaint for complaint in viewer.complaints)
    viewer.complaints.clear()  # the browser reports what it refused
