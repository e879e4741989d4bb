"""Two tabs of one browser, on two nodes that are cut off from each other."""

from playwright.sync_api import BrowserContext

from e2e.cluster import Cluster
from e2e.steering import open_at
from e2e.viewer import Viewer


def test_two_tabs_on_two_nodes_show_the_same_and_share_what_is_stored(
    cluster: Cluster, video: str, profile: BrowserContext
) -> None:
    cluster.cut_off("c")
    one, other = Viewer(profile), Viewer(profile)
    open_at(cluster, one, video, "ab")
    open_at(cluster, other, video, "c")

    for _ in range(3):
        cluster.a.view(video)
    for _ in range(2):
        cluster.c.view(video)

    # No node has more than 3 views. Only the two tabs together come to 5.
    assert one.merged(5) == other.merged(5)
    one.sees(5)
    other.sees(5)
    assert cluster.c.views(video) == 2
    assert cluster.a.views(video) == cluster.b.views(video) == 3

    one.reload()
    one.sees(5)
    one.merged(5)
    assert one.shown == [5]

    cluster.heal()
    cluster.b.view(video)
    one.sees(6)
    other.sees(6)
    assert one.merged(6) == other.merged(6)
    assert not one.complaints + other.complaints
