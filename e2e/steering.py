"""Loads a page through the balancer until it comes from the node that a test wants.

Nodes take turns with pages, so a test can choose the node of the next page. The page's messages
come from the node with the fewest listeners. So the other nodes get some for the time of the load.
(The stand-in takes turns here, too: then it may take several loads.)
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from websockets.sync.client import connect

from e2e.cluster import Cluster
from e2e.viewer import Viewer

TRIES: Final = 30


def open_at(cluster: Cluster, viewer: Viewer, video: str, nodes: str) -> None:
    """Open `video` until its messages come from one of `nodes`."""
    with _others_listened_to(cluster, nodes, video):
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
    with _others_listened_to(cluster, node, viewer.video):
        for _ in range(TRIES):
            cluster.turn_to(node)
            viewer.reload()
            assert viewer.page_node == node
            heard = viewer.hears()
            shown += viewer.shown
            if heard == node:
                return shown
    raise AssertionError(f"in {TRIES} loads the balancer gave the page no messages from {node}")


@contextmanager
def _others_listened_to(cluster: Cluster, nodes: str, video: str) -> Iterator[None]:
    """Inside, every running node but `nodes` has more listeners than a node of `nodes`."""
    url = f"{cluster.url.replace('http', 'ws', 1)}/api/videos/{video}/live"
    with ExitStack() as stack:
        for name, node in cluster.nodes.items():
            if name not in nodes and node.running:
                # The page that is being left may still count as a listener of the wanted node.
                for _ in range(2):
                    stack.enter_context(connect(f"{url}?node={name}"))
        yield
