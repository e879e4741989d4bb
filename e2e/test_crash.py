"""A node is killed and started again while the page is open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.sync_api import Route
from ratchet_server.counting import datadir

from e2e.cluster import Cluster
from e2e.conftest import NewViewer
from e2e.refusals import own_worker
from e2e.viewer import Viewer
from testing.nodes import Node


def test_a_killed_node_is_back_with_every_answered_view_and_a_new_slot(
    cluster: Cluster, video: str, new_viewer: NewViewer
) -> None:
    watching = new_viewer()
    watching.open(cluster.b.url, video)
    # No other node may have the views that b has answered: they must come from b's own disk.
    cluster.cut_off("b")
    old = cluster.b.slot
    watching.play()
    watching.sees(1)
    # Wait for its merge: the page can't load the core from a node that is down.
    watching.merged(1)
    for _ in range(9):
        cluster.b.view(video)
    cluster.b.kill9()
    assert cluster.a.views(video) == 0

    cluster.b.start()

    # A new viewer sees all views at once. The old viewer never sees fewer, and then sees them all.
    arriving = new_viewer()
    arriving.open(cluster.b.url, video)
    arriving.received(10, "b")
    assert arriving.shown == [10]
    cluster.b.view(video)
    arriving.sees(11)
    watching.sees(11)
    new = cluster.b.slot
    assert new != old
    assert watching.merged(11)["slots"] == {old: 10, new: 1}
    assert watching.shown == sorted(watching.shown)


@contextmanager
def no_commits(node: Node) -> Iterator[None]:
    """Inside, the node can't commit: this test holds SQLite's lock, and the node waits for it."""
    file = Path(node.data) / datadir.DATABASE
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_view_is_neither_answered_nor_shown_before_it_is_on_disk(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.open(cluster.b.url, video)
    viewer.load_the_clip()
    with no_commits(cluster.b):
        viewer.play()
        viewer.has_sent(1)
        # After these the node has surely received the view, and has had the time to answer.
        for _ in range(10):
            assert viewer.asks(f"/api/videos/{video}")["views"] == 0
        assert viewer.shown == [0]
        cluster.b.kill9()

    cluster.b.start()

    # The page sends the view again with its key, so it does not matter whether it was lost.
    viewer.sees(1)
    assert len(set(viewer.sent)) == 1
    assert cluster.b.views(video) == 1


def test_a_page_behind_the_balancer_goes_on_when_its_node_is_killed(
    cluster: Cluster, video: str, new_viewer: NewViewer
) -> None:
    viewer = new_viewer()
    viewer.open(cluster.url, video)
    first = viewer.hears()
    others = [node for node in cluster.nodes.values() if node.name != first]

    cluster.nodes[first].kill9()
    others[0].view(video)

    viewer.sees(1)
    assert viewer.hears() != first
    viewer.play()
    viewer.sees(2)
    assert viewer.shown == [0, 1, 2]


def test_a_merge_that_could_not_be_loaded_is_loaded_again(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    # This also happens when the node dies in the middle of the transfer.
    attempts: list[str] = []

    def only_the_second_time(route: Route) -> None:
        attempts.append(route.request.url)
        if len(attempts) == 1:
            route.abort()
        else:
            route.continue_()

    own_worker(viewer.page.context)
    viewer.page.context.route("**/pyodide.asm.wasm", only_the_second_time)
    cluster.a.view(video)
    viewer.open(cluster.a.url, video)
    assert viewer.merged(1)
    assert len(attempts) == 2
