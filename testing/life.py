"""The life of a cluster in tests: what nodes know of each other, and how operators retire one."""

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
    """The links of a cluster: one for each node that dials another. Pass `route` to `cluster`, with
    `RATCHET_DISCOVER=no` in the environment, so that the nodes dial no other addresses."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._ways: dict[tuple[str, str], Link] = {}

    def route(self, dialler: Node, dialled: Node) -> str:
        """The URL that `dialler` dials to reach `dialled`."""
        link = self._ways[dialler.name, dialled.name] = self._links.open(dialled.port)
        return link.url

    @contextmanager
    def cut(self, *pairs: str) -> Iterator[None]:
        """Inside, the nodes of each pair can't reach each other: `"ac"` are a and c."""
        cut = [link for way, link in self._ways.items() if any({*way} == {*pair} for pair in pairs)]
        for link in cut:
            link.cut()
        try:
            yield
        finally:
            for link in cut:
                link.heal()


def known(node: Node) -> dict[str, dict[str, int]]:
    """The maps of generations that `node` has: `known`, `closed` and `folded`."""
    state = node.get("/api/node").json()
    return {field: state[field] for field in ("known", "closed", "folded")}


def has_folded(node: Node, slot: str | None) -> bool:
    """Whether `node` knows that the slot is folded."""
    name, generation = Slot.parse(slot)
    return known(node)["folded"].get(name, 0) >= generation


def hot(node: Node) -> list[str]:
    """The node names of all slots that `node` has on disk and not in the base."""
    return sorted(slot.node for slot in on_disk(node).slots)


def sees(node: Node, name: str) -> bool:
    """Whether `node` is connected to a node named `name`."""
    peers = node.get("/api/node").json()["peers"]
    return any(peer["node"] == name and peer["connected"] for peer in peers)


def notices(node: Node, kind: str) -> int:
    """How many notices of this kind its process has written."""
    name = f'ratchet_notices_total{{kind="{kind}"}} '
    return int(float(node.get("/metrics").text.split(name)[1].split()[0]))


def retire(via: Node, name: object, **more: object) -> httpx.Response:
    """Send an operator's request to retire a node, and return the response of `via`."""
    return via.tell("/api/cluster/retire", node=name, **more)


def missed(via: Node, name: str) -> None:
    """Wait until `via` would retire the node: nothing shows it that the node is alive."""
    wait_until(lambda: retire(via, name, check=True).status_code == 200, f"{name} is missed")


def retired(via: Node, name: str) -> dict[str, Any]:
    """Retire a node that is gone. Return the body of the response."""
    missed(via, name)
    response = retire(via, name)
    assert response.status_code == 200, response.text
    body = response.json()
    assert isinstance(body, dict)
    return body
