"""A node that is retired by mistake and comes back within the grace, with what it has of others."""

from pathlib import Path

from testing.life import Ways, has_folded, retired
from testing.links import Links
from testing.nodes import Node, cluster, connected, equal, wait_until

# Long enough that a node comes back within it, also where many tests run at once.
GRACE_S = 15


def _is_in_the_way(node: Node, kind: str, name: str) -> bool:
    """Whether only the node `name` is in the way of folding the slots of d, and how."""
    folds = node.get("/api/cluster").json()["folds"]
    obstacles = [(o["kind"], o["node"]) for f in folds if f["node"] == "d" for o in f["obstacles"]]
    return obstacles == [(kind, name)]


def test_its_views_of_another_node_that_is_lost_count_everywhere(tmp_path: Path) -> None:
    environ = {"RATCHET_FOLD_GRACE": str(GRACE_S), "RATCHET_DISCOVER": "no"}
    with Links() as links:
        ways = Ways(links)
        with cluster(tmp_path, "abcd", environ=environ, route=ways.route) as nodes:
            a, b, c, d = nodes.values()
            for node in (b, d):
                node.view("tide")
            wait_until(lambda: equal(nodes.values()), "all have the same")
            ways.split("ab", "cd")
            for _ in range(3):
                d.view("tide")
            wait_until(lambda: c.views("tide") == 5, "c has the views that only d had")
            slot = d.slot
            d.kill9()
            # A second slot is folded into the base: the larger base can't make up for the first.
            b.kill9()
            b.start()
            retired(a, "d")
            wait_until(lambda: _is_in_the_way(a, "missing", "c"), "only c is in the way", 60)
            retired(a, "c")
            wait_until(lambda: _is_in_the_way(a, "grace", "c"), "its grace is in the way")
            ways.heal()
            wait_until(lambda: connected([a, b, c]), "c is back")
            wait_until(lambda: equal([a, b, c]), "all have the same")
            wait_until(lambda: has_folded(a, slot), "d is folded", 60)
            wait_until(lambda: equal([a, b, c]), "all have folded it")
            assert [node.views("tide") for node in (a, b, c)] == [5, 5, 5]
