"""Whatever the browser refuses, the page plays, counts, shows a number, and shows no error."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright

from e2e.cluster import Cluster
from e2e.refusals import REFUSALS, Refusal, refuse_to_store, refused
from e2e.steering import open_at, reload_at
from e2e.viewer import Viewer
from testing.browsers import FLAGS


def watches_and_counts(cluster: Cluster, video: str, viewer: Viewer) -> None:
    """The journey that must succeed in every browser."""
    cluster.a.view(video)
    viewer.open(cluster.a.url, video, debug=False)
    viewer.sees(1)
    viewer.play()
    viewer.sees(2)
    cluster.b.view(video)
    viewer.sees(3)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_the_page_goes_on_without(
    cluster: Cluster, video: str, viewer: Viewer, refusal: Refusal
) -> None:
    refusal.apply(viewer.page.context)
    watches_and_counts(cluster, video, viewer)
    viewer.panel_says(refusal.part, refusal.says)
    viewer.sees_nothing_red()
    assert viewer.shown == [1, 2, 3]


def test_without_pyodide_a_reload_against_a_stale_node_shows_no_less(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    refused("pyodide blocked").apply(viewer.page.context)
    cluster.cut_off("c")
    for _ in range(3):
        cluster.a.view(video)
    open_at(cluster, viewer, video, "ab")
    viewer.sees(3)

    assert set(reload_at(cluster, viewer, "c")) == {3}
    viewer.received(0, "c")
    viewer.panel_says("merge", "off")
    assert viewer.shown == [3]


def test_without_indexeddb_the_whole_state_outlives_the_page(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    refused("indexeddb refused").apply(viewer.page.context)
    cluster.cut_off("c")
    for _ in range(3):
        cluster.a.view(video)
    open_at(cluster, viewer, video, "ab")
    viewer.merged(3)

    # Only the slots, and not the number alone, show that c's view is not one of those that c lacks.
    cluster.c.view(video)
    assert reload_at(cluster, viewer, "c")[0] == 3
    viewer.received(1, "c")
    viewer.merged(4)
    # All that this page has shown.
    assert viewer.shown == sorted(viewer.shown)


@pytest.fixture
def cookieless(
    playwright: Playwright, program: str, tmp_path: Path, kept: list[BrowserContext]
) -> BrowserContext:
    """A browser of its own, whose owner has blocked all cookies."""
    refuse_to_store(tmp_path)
    context = playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=program, args=list(FLAGS)
    )
    kept.append(context)
    return context


def test_the_page_goes_on_in_a_browser_that_stores_nothing(
    cluster: Cluster, video: str, cookieless: BrowserContext
) -> None:
    viewer = Viewer(cookieless)
    watches_and_counts(cluster, video, viewer)
    viewer.panel_says("storage", "off")
    viewer.sees_nothing_red()
    assert viewer.shown == [1, 2, 3]
