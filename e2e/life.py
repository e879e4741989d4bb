"""What the tests of a cluster's life share: load, folds that come soon, and the final check."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Final

from e2e.cluster import Cluster
from testing.checker import Fate, History
from testing.load import Load
from testing.nodes import Node, wait_until

# A node folds a closed slot a second after it has learned of the closing, instead of an hour.
SOON: Final = {"RATCHET_FOLD_GRACE": "1"}

# How many views each node answers before, during and after the events of a test.
SOME: Final = 8

_numbers = count(1)


def new_videos(number: int = 3) -> list[str]:
    """New ids of videos, for nodes that count any video. Clients view the first one most."""
    story = next(_numbers)
    return [f"story-{story}-{video}" for video in range(number)]


def add(history: History, node: Node, video: str, views: int) -> None:
    """Count this many views at `node`, and wait for every answer."""
    for _ in range(views):
        view = history.view(video, node.url)
        view.begin()
        node.view(video)
        view.end(Fate.OK)


def others(cluster: Cluster, *names: str) -> list[Node]:
    """All nodes except `names`."""
    return [node for node in cluster.nodes.values() if node.name not in names]


@contextmanager
def under_load(cluster: Cluster, query: str = "") -> Iterator[Load]:
    """Run clients at all nodes. At the end all nodes run and agree, and none was ever wrong."""
    history = History()
    with Load(history, cluster.nodes.values(), videos=new_videos(), query=query) as load:
        load.more(SOME)
        yield load
        cluster.revive()
        load.more(SOME)
    history.check(cluster.nodes.values())


def folded_all(node: Node) -> bool:
    """Whether `node` holds only open slots."""
    return all(slot["state"] == "open" for slot in node.get("/api/cluster").json()["slots"])


def wait_for_folds(nodes: Iterable[Node]) -> None:
    """Wait until each of `nodes` has folded all closed slots. A failure says what is in the way."""
    for node in nodes:
        try:
            wait_until(partial(folded_all, node), f"{node.name} has folded all closed slots")
        except AssertionError as error:
            folds = node.get("/api/cluster").json()["folds"]
            raise AssertionError(f"{error}; these are in the way: {json.dumps(folds)}") from None


def handed_over(node: Node) -> bool:
    """Whether every node that `node` is connected to has all slots of its name on disk."""
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
    """Inside, `node` is down, and other nodes have everything that it answered. Then it starts."""
    # Keys are on the disk: a client that is unsure of a view must not send it to another disk.
    load.drop(node)
    wait_until(lambda: handed_over(node), f"all of {node.name} is elsewhere, too")
    node.kill9()
    yield
    node.start()
    load.add(node)
