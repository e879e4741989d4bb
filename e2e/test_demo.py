"""`ratchet demo`, as a newcomer meets it: it starts, counts, lets its pages cut and kill its nodes,
and leaves nothing behind. (What its control refuses is in server/tests/demo/test_control.py.)
"""

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from ratchet_server.demo.program import BALANCER_PORT, FIRST_PORT

from e2e.other_site import other_site
from e2e.viewer import Viewer
from testing.demo import Demo, is_free, runs
from testing.demo import running_demo as demo_elsewhere
from testing.nodes import HOST, wait_until
from testing.processes import Process, running

PORTS = [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT + 2, BALANCER_PORT]
SITE = f"http://{HOST}:{BALANCER_PORT}"
ORDER = """async ([control, node, order]) => {
    const headers = {'Content-Type': 'application/json'};
    const answer = await fetch(`${control}/nodes/${node}/${order}`, {method: 'POST', headers});
    return {status: answer.status, ...await answer.json()};
}"""


@pytest.fixture
def running_demo(tmp_path: Path) -> Iterator[Process]:
    """A demo in a folder of its own. Its output goes into `demo.out` there."""
    taken = [port for port in PORTS if not is_free(port)]
    if taken:
        pytest.skip(f"the demo's ports are fixed, and something listens on {taken}")
    command = [sys.executable, "-m", "ratchet_server", "demo"]
    # A demo that is killed ends its nodes, too.
    with running(command, tmp_path / "demo.out", cwd=tmp_path) as process:
        yield process


def test_the_demo_starts_counts_and_stops_with_nothing_left_running(
    running_demo: Process, tmp_path: Path, viewer: Viewer
) -> None:
    def said() -> str:
        text = (tmp_path / "demo.out").read_text()
        assert running_demo.poll() is None, text
        return text

    wait_until(lambda: "Ctrl-C stops everything" in said(), "the demo has introduced itself", 90)
    assert SITE in said()
    pids = [int(pid) for pid in re.findall(r"pid (\d+)", said())]
    assert len(pids) == 3

    viewer.page.goto(SITE)
    viewer.page.get_by_test_id("videos").get_by_role("link").first.click()
    viewer.play()
    viewer.sees(1)
    viewer.merged(1)
    video = viewer.page.url.rsplit("/", 1)[1]
    urls = [f"http://{HOST}:{port}/api/videos/{video}" for port in PORTS[:3]]
    wait_until(lambda: all(_views(url) == 1 for url in urls), "all nodes count it")

    running_demo.send_signal(signal.SIGINT)
    assert running_demo.wait(60) == 0, (tmp_path / "demo.out").read_text()
    assert not [pid for pid in pids if runs(pid)]
    assert [port for port in PORTS if is_free(port)] == PORTS


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo on free ports."""
    with demo_elsewhere(tmp_path_factory.mktemp("demo")) as running:
        yield running


def order(page: Page, demo: Demo, node: str, what: str) -> dict[str, Any]:
    """Have the page send an action to the control. Returns the response."""
    answer: dict[str, Any] = page.evaluate(ORDER, [demo.control, node, what])
    return answer


@pytest.mark.parametrize("path", ["/watch/tide?debug&node=c", "/"])
def test_a_page_of_the_demo_cuts_and_heals_kills_and_starts(
    playground: Demo, profile: BrowserContext, path: str
) -> None:
    playground.mend()
    page = profile.new_page()
    page.goto(playground.page + path)
    assert order(page, playground, "c", "cut")["nodes"][2]["cut"]
    wait_until(lambda: not playground.connected_to("c"), "c is connected to no node")
    assert order(page, playground, "c", "explode")["error"] == "unknown_action"
    assert order(page, playground, "c", "heal")["status"] == 200
    wait_until(lambda: playground.is_connected_to_all("c"), "c is connected to all")
    assert not order(page, playground, "c", "kill")["nodes"][2]["running"]
    state = page.evaluate("async url => (await fetch(url)).json()", f"{playground.control}/state")
    assert [one["ready"] for one in state["nodes"]] == [True, True, False]
    assert order(page, playground, "c", "start")["nodes"][2]["running"]


def test_a_reload_goes_to_the_node_that_its_address_names(
    playground: Demo, profile: BrowserContext
) -> None:
    playground.mend()
    page = profile.new_page()
    for _ in range(4):
        page.goto(f"{playground.page}/watch/tide?node=c")
        expect(page.locator("html")).to_have_attribute("data-node", "c")
    playground.act("c", "kill")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-node", re.compile("[ab]"))


def test_a_page_of_another_site_can_do_nothing(playground: Demo, profile: BrowserContext) -> None:
    playground.mend()
    page = profile.new_page()
    with other_site() as stranger:
        stranger.pages["/"] = "<!doctype html><title>elsewhere</title>"
        page.goto(stranger.origin)
        refused = """async ([control, node, order]) => {
            const tries = [];
            const url = `${control}/nodes/${node}/${order}`;
            for (const type of ['application/json', 'text/plain']) {
                for (const mode of ['cors', 'no-cors']) {
                    const headers = {'Content-Type': type};
                    tries.push(await fetch(url, {method: 'POST', mode, headers, body: '{}'})
                        .then(answer => answer.type, error => error.name));
                }
            }
            tries.push(await fetch(`${control}/state`).then(() => 'read', error => error.name));
            return tries;
        }"""
        assert page.evaluate(refused, [playground.control, "c", "kill"]) == [
            "TypeError",
            "opaque",  # this mode only allows text/plain, which the control refuses
            "TypeError",
            "opaque",
            "TypeError",
        ]
    assert playground.node("c")["running"]


def _views(url: str) -> int:
    return int(httpx.get(url, trust_env=False, timeout=30).json()["views"])
