"""The life of a cluster in tests: what nodes know of each other, and what operators tell them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
from ratchet.slot import Slot

from testing.disk import on_disk
from testing.links import Link, Links
from testing.nodes import Node, wait_until

# Closed slots are folded as soon as all agree on them.
NO_GRACE: Final = {"RATCHET_FOLD_GRACE": "0"}


class Ways:
    """The links of a cluster, one for each way from node to node. `route` is for `cluster`, whose
    nodes are told not to `RATCHET_DISCOVER` other ways."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._ways: dict[tuple[str, str], Link] = {}

    def route(self, dialler: Node, dialled: Node) -> str:
        """What `dialler` dials to reach `dialled`."""
        link = self._ways[dialler.name, dialled.name] = self._links.open(dialled.port)
        return link.url

    @contextmanager
    def cut(self, *pairs: str) -> Iterator[None]:
        """Inside, those of a pair can't reach each other: `"ac"` are the nodes a and c."""
        cut = [link for way, link in self._ways.items() if any({*way} == {*pair} for pair in pairs)]
        for link in cut:
            link.cut()
        try:
            yield
        finally:
            for link in cut:
                link.heal()


def known(node: Node) -> dict[str, dict[str, int]]:
    """What it knows of generations: `known`, `closed` and `folded`."""
    state = node.get("/api/node").json()
    return {field: state[field] for field in ("known", "closed", "folded")}


def has_folded(node: Node, slot: str | None) -> bool:
    """Whether it has heard that the slot is folded."""
    name, generation = Slot.parse(slot)
    return known(node)["folded"].get(name, 0) >= generation


def hot(node: Node) -> list[str]:
    """The names of all slots with views on its disk that are not in the base yet."""
    return sorted(slot.node for slot in on_disk(node).slots)


def sees(node: Node, name: str) -> bool:
    """Whether it is connected to a node of this name."""
    peers = node.get("/api/node").json()["peers"]
    return any(peer["node"] == name and peer["connected"] for peer in peers)


def notices(node: Node, kind: str) -> int:
    """How often its process has said something of this kind."""
    name = f'ratchet_notices_total{{kind="{kind}"}} '
    return int(float(node.get("/metrics").text.split(name)[1].split()[0]))


def retire(via: Node, name: object, **more: object) -> httpx.Response:
    """What `via` answers to an operator."""
    return via.tell("/api/cluster/retire", node=name, **more)


def missed(via: Node, name: str) -> None:
    """Returns when `via` hears from nobody any more that the node is alive."""
    wait_until(lambda: retire(via, name, check=True).status_code == 200, f"{name} is missed")


def retired(via: Node, name: str) -> dict[str, Any]:
    """A node that is gone is retired; what the answer says."""
    missed(via, name)
    answer = retire(via, name)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert isinstance(said, dict)
    return said
