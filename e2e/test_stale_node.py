"""Reloads from a node that was cut off: the number in this browser doesn't go down."""

import pytest

from e2e.cluster import Cluster
from e2e.steering import open_at, reload_at
from e2e.viewer import Viewer
from testing.links import Style
from testing.nodes import wait_until


@pytest.mark.parametrize("style", ["reset", "silence"])
def test_a_reload_against_a_stale_node_never_shows_less(
    cluster: Cluster, video: str, viewer: Viewer, style: Style
) -> None:
    cluster.b.view(video)
    wait_until(lambda: cluster.c.views(video) == 1, "c has heard of the first view")
    cluster.cut_off("c", style)

    # The number is 6, and c has one of these views.
    open_at(cluster, viewer, video, "ab")
    for node in (cluster.a, cluster.b, cluster.a, cluster.b, cluster.a):
        node.view(video)
    viewer.sees(6)
    viewer.merged(6)
    assert cluster.c.views(video) == 1

    shown = reload_at(cluster, viewer, "c")
    viewer.received(1, "c")
    viewer.merged(6)
    assert set(shown) == set(viewer.shown) == {6}

    # The number doesn't merely stand still: it also counts c's next view, which no other node has.
    cluster.c.view(video)
    viewer.received(2, "c")
    viewer.merged(7)
    viewer.sees(7)

    cluster.heal()
    cluster.a.view(video)
    viewer.received(8, "c")
    viewer.sees(8)
    assert viewer.shown == [6, 7, 8]


def test_with_storage_off_a_stale_node_shows_its_own_smaller_number(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.cut_off("c")
    open_at(cluster, viewer, video, "ab")
    for node in (cluster.a, cluster.b, cluster.a):
        node.view(video)
    cluster.c.view(video)
    viewer.sees(3)
    viewer.merged(3)
    viewer.use_storage("off")

    reload_at(cluster, viewer, "c")
    viewer.received(1, "c")
    viewer.merged(1)
    viewer.sees(1)
    assert viewer.shown == [1]

    # Within one page the number still only rises.
    cluster.heal()
    viewer.sees(4)
