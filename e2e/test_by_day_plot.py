"""The plot of views by day on the watch page."""

import json

import pytest
from playwright.sync_api import expect

from e2e.cluster import Cluster
from e2e.steering import open_at, reload_at
from e2e.viewer import Viewer
from testing.nodes import wait_until

TODAY = "#by-day rect:last-of-type"


def today(viewer: Viewer) -> str:
    """How many views of today the plot shows."""
    return viewer.page.locator(TODAY).get_attribute("data-views") or ""


def test_todays_bar_grows_with_a_view_of_this_page(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.a.view(video)
    wait_until(lambda: cluster.c.views(video) == 1, "all have heard of the first view")
    open_at(cluster, viewer, video, "abc")
    assert viewer.page.locator("#by-day rect").count() == 30
    expect(viewer.page.locator(TODAY)).to_have_attribute("data-views", "1")
    expect(viewer.page.get_by_test_id("by-day-title")).to_contain_text("Today: 1")
    viewer.play()
    expect(viewer.page.locator(TODAY)).to_have_attribute("data-views", "2")
    expect(viewer.page.get_by_test_id("by-day-title")).to_contain_text("Today: 2")
    assert viewer.page.locator(TODAY).get_attribute("height") == "24"


def test_todays_bar_grows_although_the_node_that_is_asked_first_has_not_heard_of_the_view(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.a.view(video)
    wait_until(lambda: cluster.c.views(video) == 1, "all have heard of the first view")
    before = cluster.a.get(f"/api/videos/{video}/days")
    open_at(cluster, viewer, video, "abc")
    viewer.page.route("**/days", lambda route: route.fulfill(body=before.text), times=1)
    viewer.play()
    expect(viewer.page.locator(TODAY)).to_have_attribute("data-views", "2")


def test_no_bar_gets_smaller_on_a_reload_against_a_stale_node(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.b.view(video)
    wait_until(lambda: cluster.c.views(video) == 1, "c has heard of the first view")
    cluster.cut_off("c")
    for _ in range(3):
        cluster.a.view(video)
    wait_until(lambda: cluster.b.views(video) == 4, "b has heard of all")
    open_at(cluster, viewer, video, "ab")
    # Only its messages were surely from a or b.
    reload_at(cluster, viewer, "a")
    expect(viewer.page.locator(TODAY)).to_have_attribute("data-views", "4")
    reload_at(cluster, viewer, "c")
    assert cluster.c.get(f"/api/videos/{video}/days").json()["days"][-1]["views"] == 1
    assert today(viewer) == "4"


@pytest.mark.parametrize("stored", ["garbage", "[]", "null", '{"2026-01-01": "many"}', '"text"'])
def test_kept_garbage_is_none(cluster: Cluster, video: str, viewer: Viewer, stored: str) -> None:
    cluster.a.view(video)
    open_at(cluster, viewer, video, "a")
    key = json.dumps(f"ratchet:days:{video}")
    viewer.page.evaluate(f"localStorage.setItem({key}, {json.dumps(stored)})")
    viewer.page.reload()
    expect(viewer.page.locator(TODAY)).to_have_attribute("data-views", "1")
