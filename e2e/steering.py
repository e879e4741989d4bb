"""Loads a page through the balancer until it comes from the node that a test wants.

Nodes take turns with pages, so a test can choose the node of the next page. The page's messages
come from the node with the fewest listeners (the stand-in takes turns here, too), so it may take
several loads until they come from the right node.
"""

from typing import Final

from e2e.cluster import Cluster
from e2e.viewer import Viewer

TRIES: Final = 30


def open_at(cluster: Cluster, viewer: Viewer, video: str, nodes: str) -> None:
    """Open `video` until its messages come from one of `nodes`."""
    for _ in range(TRIES):
        viewer.open(cluster.url, video)
        if viewer.hears() in nodes:
            return
    raise AssertionError(f"in {TRIES} loads the balancer never chose one of {nodes}")


def reload_at(cluster: Cluster, viewer: Viewer, node: str) -> list[int]:
    """Reload until the page and its messages come from `node`.

    Returns every number that these loads have shown.
    """
    shown: list[int] = []
    for _ in range(TRIES):
        cluster.turn_to(node)
        viewer.reload()
        assert viewer.page_node == node
        heard = viewer.hears()
        shown += viewer.shown
        if heard == node:
            return shown
    raise AssertionError(f"in {TRIES} loads the balancer gave the page no messages from {node}")
