"""A rolling upgrade: nodes of the last release and of today's version count side by side."""

from pathlib import Path

import pytest

from testing.nodes import cluster, connected, equal, wait_until
from testing.releases import last_release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which a node runs the program of the last release."""
    return last_release(tmp_path_factory.mktemp("release"))


def test_a_cluster_is_upgraded_node_by_node_and_every_number_stays_exact(
    release: dict[str, str], tmp_path: Path
) -> None:
    with cluster(tmp_path, ("a", "b", "c"), environ=release) as nodes:
        views = 0

        def count() -> None:
            """Count on each node, and wait until all have it."""
            nonlocal views
            for node in nodes.values():
                node.view("tide")
            views += len(nodes)
            wait_until(lambda: connected(nodes.values()), "all are connected")
            wait_until(lambda: equal(nodes.values()), "all have the same")
            assert {node.views("tide") for node in nodes.values()} == {views}

        count()
        for node in nodes.values():
            assert node.stop() == 0
            node.environ = {}
            node.start()
            # Old and new nodes side by side, or only new ones after the last.
            count()
        # Neither side has refused the other, whichever of them dialled.
        for node in nodes.values():
            assert " WARNING " not in node.log_file.read_text()
