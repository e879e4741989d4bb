"""A node freezes for longer than every time-out while viewers count through the balancer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.cluster import Cluster
from e2e.conftest import NewViewer
from testing.nodes import Node, wait_until

VIEWERS = 12
# Pages wait 10 s for an answer, so some of them have sent a second attempt by then.
FROZEN_S = 14


@contextmanager
def frozen(node: Node, for_s: float) -> Iterator[None]:
    """The node stops now, and goes on `for_s` later, at the end of the block."""
    until = time.monotonic() + for_s
    node.pause()
    try:
        yield
        wait_until(lambda: time.monotonic() >= until, "it was frozen for long enough", for_s + 1)
    finally:
        node.resume()


def test_each_view_counts_once_although_a_node_was_frozen(
    cluster: Cluster, video: str, new_viewer: NewViewer
) -> None:
    viewers = [new_viewer() for _ in range(VIEWERS)]
    for viewer in viewers:
        viewer.open(cluster.url, video, debug=False)
    with frozen(cluster.b, FROZEN_S):
        # All begin at once: the balancer has not yet noticed that b is frozen.
        for viewer in viewers:
            viewer.page.evaluate("() => void document.querySelector('#player').play()")
    unsent = "() => Object.keys(localStorage).some(key => key.startsWith('unsent:'))"
    for viewer in viewers:
        wait_until(lambda page=viewer.page: not page.evaluate(unsent), "she has sent her view")  # type: ignore[misc]
    assert {len(set(viewer.sent)) for viewer in viewers} == {1}
    assert any(len(viewer.sent) > 1 for viewer in viewers), "no page had to send its view again"
    cluster.mend()
    wait_until(lambda: cluster.a.views(video) >= VIEWERS, "all views count")
    assert [node.views(video) for node in cluster.nodes.values()] == [VIEWERS] * 3
