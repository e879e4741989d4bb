"""A view that one node counts appears by itself on a page that listens to another node."""

from e2e.cluster import Cluster, list_with
from e2e.conftest import NewViewer


def test_a_view_played_at_a_shows_at_c_without_a_reload(
    cluster: Cluster, video: str, new_viewer: NewViewer
) -> None:
    here, there = new_viewer(), new_viewer()
    here.open(cluster.a.url, video)
    there.open(cluster.c.url, video)
    assert (here.hears(), there.hears()) == ("a", "c")
    there.page.evaluate("window.thisLoad = true")

    here.play()

    here.sees(1)
    there.sees(1)
    assert there.page.evaluate("window.thisLoad") is True
    assert there.shown == [0, 1]
    assert [node.views(video) for node in cluster.nodes.values()] == [1, 1, 1]


def test_the_list_of_clips_goes_up_without_a_reload(
    cluster: Cluster, video: str, new_viewer: NewViewer
) -> None:
    viewer = new_viewer()
    viewer.page.goto(list_with(cluster.c.url, video))
    count = viewer.page.locator(f'[data-video="{video}"]')
    assert count.text_content() == "0"
    viewer.page.evaluate("window.thisLoad = true")

    for _ in range(3):
        cluster.a.view(video)

    viewer.page.wait_for_function(
        "video => document.querySelector(`[data-video=${video}]`).textContent === '3'", arg=video
    )
    assert viewer.page.evaluate("window.thisLoad") is True
