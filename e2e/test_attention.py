"""A hidden page costs nothing. A page that slept, or was cut off, recovers by itself."""

import re

from playwright.sync_api import Page, expect

from e2e.cluster import Cluster, list_with
from e2e.viewer import Viewer
from testing.nodes import Node, wait_until

# In place of the browser, the test decides whether the page is visible.
_HIDE = """hidden => {
    Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def watchers(node: Node) -> int:
    """The number of websockets and event streams that this node serves."""
    found = re.search(r"^ratchet_watchers (\d+)", node.get("/metrics").text, re.MULTILINE)
    assert found
    return int(found[1])


def requests_of(page: Page) -> list[str]:
    """Every request and websocket of the page from now on."""
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("websocket", lambda socket: seen.append(socket.url))
    return seen


def test_a_page_in_the_background_closes_its_socket_and_is_back_at_once(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.page.clock.install()
    viewer.open(cluster.a.url, video, debug=False)
    # The last of its scripts.
    expect(viewer.page.locator(".panel-inside")).to_be_attached()
    cluster.a.view(video)
    viewer.sees(1)
    wait_until(lambda: watchers(cluster.a) == 1, "the page listens")

    viewer.page.evaluate(_HIDE, True)
    viewer.page.clock.run_for(9_000)
    assert watchers(cluster.a) == 1, "switching tabs back and forth opens no new connection"
    viewer.page.clock.run_for(2_000)
    wait_until(lambda: watchers(cluster.a) == 0, "the page listens no more")
    seen = requests_of(viewer.page)
    cluster.a.view(video)
    viewer.page.clock.run_for(10 * 60_000)
    assert not seen

    viewer.page.evaluate(_HIDE, False)
    viewer.sees(2)
    assert watchers(cluster.a) == 1


def test_the_list_in_the_background_sends_no_requests(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.page.clock.install()
    viewer.page.goto(list_with(cluster.a.url, video))
    viewer.page.evaluate(_HIDE, True)
    # Let the requests end that were open when the page was hidden.
    viewer.page.clock.run_for(20_000)
    viewer.page.wait_for_load_state("networkidle")
    seen = requests_of(viewer.page)
    cluster.a.view(video)
    viewer.page.clock.run_for(10 * 60_000)
    assert not seen

    viewer.page.evaluate(_HIDE, False)
    viewer.page.clock.run_for(5_000)
    count = viewer.page.locator(f'[data-video="{video}"]')
    expect(count).to_have_attribute("data-value", "1")


def test_a_machine_that_wakes_up_reconnects_at_once(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.page.clock.install()
    viewer.open(cluster.a.url, video)
    cluster.a.view(video)
    viewer.sees(1)
    with viewer.page.expect_websocket() as again:
        viewer.page.clock.fast_forward(10 * 60_000)
    assert "/live" in again.value.url
    cluster.a.view(video)
    viewer.sees(2)


def test_it_says_since_when_it_is_cut_off_and_stops_saying_so(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.open(cluster.b.url, video)
    cluster.b.view(video)
    viewer.sees(1)
    viewer.merged(1)
    state = viewer.page.get_by_test_id("live-state")
    expect(state).to_have_text("")

    cluster.b.kill9()
    expect(state).to_contain_text(re.compile(r"^Not connected since \d\d:\d\d"))
    viewer.turns_online(True)
    viewer.turns_online(False)
    expect(state).to_contain_text(re.compile(r"^Offline since \d\d:\d\d"))
    viewer.sees(1)

    viewer.turns_online(True)
    cluster.b.start()
    expect(state).to_have_text("")
    cluster.b.view(video)
    viewer.sees(2)
    assert not viewer.complaints
