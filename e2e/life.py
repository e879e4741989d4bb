"""What the tests of a cluster's life share: clusters whose folds come soon, under load, checked."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Final

from e2e.cluster import Cluster
from testing.checker import Fate, History
from testing.load import Load
from testing.nodes import Node, wait_until

# Closed slots are folded a second after everybody knows, and not after an hour.
SOON: Final = {"RATCHET_FOLD_GRACE": "1"}

# How many views each node answers before, in the middle of and after whatever happens.
SOME: Final = 8

_numbers = count(1)


def new_videos(number: int = 3) -> list[str]:
    """Ids that nobody has viewed, the most viewed first; for nodes that count any video."""
    story = next(_numbers)
    return [f"story-{story}-{video}" for video in range(number)]


def add(history: History, node: Node, video: str, views: int) -> None:
    """So many views, all answered."""
    for _ in range(views):
        view = history.view(video, node.url)
        view.begin()
        node.view(video)
        view.end(Fate.OK)


def others(cluster: Cluster, *names: str) -> list[Node]:
    """All nodes but these."""
    return [node for node in cluster.nodes.values() if node.name not in names]


@contextmanager
def under_load(cluster: Cluster, query: str = "") -> Iterator[Load]:
    """Clients at all nodes; afterwards all nodes run again, agree, and were never wrong."""
    history = History()
    with Load(history, cluster.nodes.values(), videos=new_videos(), query=query) as load:
        load.more(SOME)
        yield load
        cluster.revive()
        load.more(SOME)
    history.check(cluster.nodes.values())


def folded_all(node: Node) -> bool:
    """Whether it holds no slots but those that living processes count in."""
    return all(slot["state"] == "open" for slot in node.get("/api/cluster").json()["slots"])


def wait_for_folds(nodes: Iterable[Node]) -> None:
    """Return when all closed slots are folded, on each of `nodes`."""
    for node in nodes:
        wait_until(partial(folded_all, node), f"{node.name} has folded all closed slots")


def handed_over(node: Node) -> bool:
    """Whether all that ever counted under its name is on disk at every node that it hears."""
    seen = node.get("/api/cluster").json()
    heard = [member["node"] for member in seen["members"] if member["state"] == "connected"]
    return bool(heard) and all(
        slot["held"].get(name, 0) >= slot["upto"]
        for slot in seen["slots"]
        for name in heard
        if slot["slot"].partition("@")[0] == node.name and slot["state"] != "lifting"
    )


@contextmanager
def down(node: Node, load: Load) -> Iterator[None]:
    """Inside, `node` is killed, and whatever it answered is elsewhere, too; then it starts."""
    # Keys live on the disk: a view that is unsure now must not be tried on another disk.
    load.drop(node)
    wait_until(lambda: handed_over(node), f"all of {node.name} is elsewhere, too")
    node.kill9()
    yield
    node.start()
    load.add(node)
