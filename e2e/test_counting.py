"""A play is one view. It counts once, however often the page has to send it."""

from playwright.sync_api import Route

from e2e.cluster import Cluster
from e2e.viewer import Viewer
from testing.nodes import wait_until


def test_a_play_counts_once_and_another_play_again(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.open(cluster.a.url, video)
    viewer.play()
    viewer.sees(1)
    viewer.pause()
    viewer.play()
    viewer.skip_to_the_end()
    assert len(viewer.sent) == 1

    viewer.play()
    viewer.sees(2)
    assert len(set(viewer.sent)) == len(viewer.sent) == 2
    assert viewer.shown == [0, 1, 2]


def test_a_play_that_begins_before_the_scripts_have_loaded_counts_once(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    held: list[Route] = []
    viewer.page.route("**/watch.js", lambda route: held.append(route))
    viewer.page.goto(f"{cluster.a.url}/watch/{video}", wait_until="commit")
    viewer.play()
    wait_until(lambda: held, "the script is asked for")
    viewer.page.wait_for_function("() => document.getElementById('player').played.length")
    held[0].continue_()
    viewer.sees(1)
    viewer.merged(1)
    assert len(viewer.sent) == 1


def test_a_view_is_sent_with_one_key_until_its_node_is_back(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.open(cluster.b.url, video)
    viewer.load_the_clip()
    cluster.b.kill9()
    viewer.play()
    viewer.has_sent(2)

    cluster.b.start()

    viewer.sees(1)
    viewer.panel_says("log", "counted, 1 views")
    assert len(set(viewer.sent)) == 1
    assert cluster.b.views(video) == 1


def test_a_view_whose_response_was_lost_is_not_counted_twice(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    answers: list[object] = []

    def lose_the_first_answer(route: Route) -> None:
        answer = route.fetch()
        answers.append(answer.json())
        if len(answers) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    viewer.page.route("**/views", lose_the_first_answer)
    viewer.open(cluster.url, video)
    viewer.play()
    viewer.panel_says("log", "counted, 1 views")

    assert answers == [
        {"video": video, "views": 1, "counted": True},
        {"video": video, "views": 1, "counted": False},
    ]
    assert len(set(viewer.sent)) == 1
    assert viewer.shown == [0, 1]


def test_a_view_outlives_its_page(cluster: Cluster, video: str, viewer: Viewer) -> None:
    viewer.open(cluster.b.url, video)
    viewer.load_the_clip()
    cluster.b.kill9()
    viewer.play()
    viewer.has_sent(1)
    viewer.page.close()
    cluster.b.start()
    assert cluster.b.views(video) == 0

    later = Viewer(viewer.page.context)
    later.page.goto(cluster.b.url)

    wait_until(lambda: cluster.b.views(video) == 1, "the view is counted")
    later.has_sent(1)
    assert set(later.sent) == set(viewer.sent)
