"""The life of a cluster in tests: what nodes know of each other, and what operators order."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any, Final

import httpx
from ratchet.slot import Slot

from testing.disk import on_disk
from testing.links import Link, Links, Style
from testing.nodes import Node, wait_until

# The nodes fold closed slots as soon as all have the same of them.
NO_GRACE: Final = {"RATCHET_FOLD_GRACE": "0"}


class Ways:
    """The links of one cluster, one for each direction between two nodes.

    `route` is for `testing.nodes.cluster`. The nodes must run with
    `RATCHET_DISCOVER=no`: they would dial the addresses that they send each other, around every
    cut link.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._ways: dict[tuple[str, str], Link] = {}

    def route(self, dialler: Node, dialled: Node) -> str:
        """The URL at which `dialler` reaches `dialled`."""
        link = self._ways[dialler.name, dialled.name] = self._links.open(dialled.port)
        return link.url

    def cut_off(self, name: str, style: Style = "reset") -> None:
        """Cut the node `name` off from all others."""
        for ends, link in self._ways.items():
            if name in ends:
                link.cut(style)

    def split(self, *sides: str, style: Style = "reset") -> None:
        """Cut every node of one side ("ab") off from every node of the other sides ("c")."""
        for side, other in combinations(sides, 2):
            for ends, link in self._ways.items():
                if (ends[0] in side and ends[1] in other) or (ends[0] in other and ends[1] in side):
                    link.cut(style)

    def deafen(self, hearer: str, speaker: str) -> None:
        """`hearer` receives nothing more from `speaker`, on either connection. `speaker` still
        receives from `hearer`."""
        self._ways[speaker, hearer].mute("there")
        self._ways[hearer, speaker].mute("back")

    def heal(self) -> None:
        """Make all links whole again. The nodes find each other when they dial next."""
        for link in self._ways.values():
            link.heal()

    @contextmanager
    def cut(self, *pairs: str) -> Iterator[None]:
        """Inside, the nodes of a pair can't reach each other: `"ac"` are the nodes a and c."""
        cut = [link for way, link in self._ways.items() if any({*way} == {*pair} for pair in pairs)]
        for link in cut:
            link.cut()
        try:
            yield
        finally:
            for link in cut:
                link.heal()


def known(node: Node) -> dict[str, dict[str, int]]:
    """The generations that `node` knows: `known`, `closed` and `folded`."""
    state = node.get("/api/node").json()
    return {field: state[field] for field in ("known", "closed", "folded")}


def has_folded(node: Node, slot: str | None) -> bool:
    """Whether `node` knows that the slot is folded."""
    name, generation = Slot.parse(slot)
    return known(node)["folded"].get(name, 0) >= generation


def hot(node: Node) -> list[str]:
    """The names of all slots on the disk of `node` whose views are not in the base yet."""
    return sorted(slot.node for slot in on_disk(node).slots)


def sees(node: Node, name: str) -> bool:
    """Whether `node` is connected to a node of this name."""
    peers = node.get("/api/node").json()["peers"]
    return any(peer["node"] == name and peer["connected"] for peer in peers)


def notices(node: Node, kind: str) -> int:
    """How many notices of this kind the process of `node` has given."""
    name = f'ratchet_notices_total{{kind="{kind}"}} '
    return int(float(node.get("/metrics").text.split(name)[1].split()[0]))


def retire(via: Node, name: object, **more: object) -> httpx.Response:
    """Send an operator's `retire` to `via`. Returns the response."""
    return via.post_json("/api/cluster/retire", node=name, **more)


def missed(via: Node, name: str) -> None:
    """Wait until no node reports to `via` any more that the node is alive."""
    wait_until(lambda: retire(via, name, check=True).status_code == 200, f"{name} is missed")


def retired(via: Node, name: str) -> dict[str, Any]:
    """Wait until the node is missing, and retire it. Returns the response's body."""
    missed(via, name)
    answer = retire(via, name)
    assert answer.status_code == 200, answer.text
    stakes = answer.json()
    assert isinstance(stakes, dict)
    return stakes
