"""Cases that are known to go wrong in other counters, with their exact numbers."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from e2e.cluster import Cluster
from e2e.life import add, new_videos, wait_for_folds
from testing.checker import Fate, History
from testing.life import retired
from testing.links import Links
from testing.load import Load
from testing.nodes import HTTP, Node, equal, wait_until
from testing.wire import dial, digest, hello, receive_kind, rows, want


def slots(node: Node, video: str) -> dict[str, int]:
    found: dict[str, int] = node.get(f"/api/videos/{video}/snapshot").json()["slots"]
    return found


def leaves(node: Node, _via: Node) -> None:
    assert node.post_json("/api/node/leave").status_code == 200
    assert node.wait() == 0


def dies_and_is_retired(node: Node, via: Node) -> None:
    node.kill9()
    retired(via, node.name)


def inject(old: str, video: str, views: int, into: Node) -> None:
    """A stranger with the name of the slot's node connects, and sends that slot as it once was."""
    with dial(into, "/peer") as wire:
        wire.send(hello(old.partition("@")[0]))
        wire.send(rows(old, 0, views, [video, views, views]))
        wire.send(digest({old: [views, None]}, {}))
        # The node handles frames in order: when it answers this one, it has handled the others.
        assert into.slot
        wire.send(want(into.slot, 0))
        receive_kind(wire, "rows")


@pytest.mark.parametrize("removed", [leaves, dies_and_is_retired])
def test_nine_views_stay_nine_when_their_third_node_goes_and_its_past_comes_again(
    four: Cluster, tmp_path: Path, removed: Callable[[Node, Node], None]
) -> None:
    history, (video, *_) = History(), new_videos()
    a, b, c, d = four.nodes.values()
    for node in (a, b, c):
        add(history, node, video, 3)
    wait_until(lambda: equal(four.nodes.values()), "all have nine")
    c.back_up(tmp_path / "old")
    old = c.slot
    assert old
    # Meanwhile a browser reads from the other nodes.
    with Load(history, [a, b], videos=[video], clients=0):
        removed(c, a)
        wait_for_folds([a, b, d])
        for node in (a, b):
            inject(old, video, 3, node)
        c.lose_disk(tmp_path / "old")
        c.start()
        for node in (a, b, c):
            inject(old, video, 3, node)
        wait_until(lambda: equal(four.nodes.values()), "all count the same")
    assert history.shown(video) == {9}
    history.check(four.nodes.values())
    for node in (a, b, c, a):
        add(history, node, video, 1)
    history.check(four.nodes.values())
    assert c.views(video) == 13


def test_a_hundred_views_a_node_and_a_hundred_a_side_of_a_split_are_their_sum(
    four: Cluster,
) -> None:
    history, (video, *_) = History(), new_videos()
    a, b, c, d = four.nodes.values()
    for node in (a, b, c):
        add(history, node, video, 100)
    history.check(four.nodes.values())
    four.split("ab", "cd")
    add(history, a, video, 100)
    add(history, c, video, 100)
    wait_until(lambda: b.views(video) == d.views(video) == 400, "both have their side's views")
    four.heal()
    history.check(four.nodes.values())
    assert b.views(video) == 500


def test_ten_over_four_slots_are_ten_over_three_and_ten_when_the_name_joins_again(
    four: Cluster,
) -> None:
    history, (video, *_) = History(), new_videos()
    a, b, c, d = four.nodes.values()
    for node, views in ((a, 1), (b, 2), (c, 3), (d, 4)):
        add(history, node, video, views)
    wait_until(lambda: equal(four.nodes.values()), "all have ten")
    assert slots(a, video) == {a.slot: 1, b.slot: 2, c.slot: 3, d.slot: 4}
    with Load(history, [a, b, c], videos=[video], clients=0):
        leaves(d, a)
        wait_for_folds([a, b, c])
        for node in (a, b, c):
            assert slots(node, video) == {a.slot: 1, b.slot: 2, c.slot: 3}
        d.start()
        wait_until(lambda: equal(four.nodes.values()), "all count the same")
    assert history.shown(video) == {10}
    add(history, d, video, 1)
    history.check(four.nodes.values())
    assert slots(a, video) == {a.slot: 1, b.slot: 2, c.slot: 3, d.slot: 1}


def test_an_acknowledged_set_of_adds_2_and_3_reads_5(four: Cluster) -> None:
    history, (video, *_) = History(), new_videos()
    add(history, four.a, video, 2)
    add(history, four.b, video, 3)
    history.check(four.nodes.values())
    assert four.c.views(video) == 5


def test_10_sure_and_5_1_1_unsure_read_within_10_and_17(four: Cluster) -> None:
    history, (video, *_) = History(), new_videos()
    a = four.a
    with Links() as links:
        link = links.open(a.port)

        def unsure(views: int) -> None:
            for _ in range(views):
                view = history.view(video, a.url)
                view.begin()
                with pytest.raises(httpx.ReadTimeout):
                    HTTP.post(f"{link.url}/api/videos/{video}/views", timeout=0.2)
                view.end(Fate.UNSURE)

        add(history, a, video, 10)
        a.pause()
        unsure(5)
        a.resume()
        # This view arrives, but its response doesn't.
        link.mute("back")
        unsure(1)
        # This view doesn't arrive.
        link.cut("silence")
        unsure(1)
        link.cut()
    assert (history.ok[video], history.info[video]) == (10, 7)
    history.check(four.nodes.values())
    assert 11 <= four.b.views(video) <= 16
