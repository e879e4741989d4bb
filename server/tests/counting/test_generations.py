"""Every start opens a slot above all earlier ones of its name, whatever the clock says."""

import time
from pathlib import Path

from ratchet.changes import Changes
from ratchet.slot import Slot

from testing.disk import fill, many, on_disk
from testing.nodes import Node, equal, wait_until

# A generation of next year, as if the clock had been set back since.
LATER = time.time_ns() // 1000 + 365 * 86_400_000_000
# Other nodes refuse that, but not this.
SOON = time.time_ns() // 1000 + 20 * 3_600_000_000


def generation(node: Node) -> int:
    """The generation of the node's slot, once the slot is open."""
    wait_until(lambda: node.slot, "the slot is open")
    return Slot.parse(node.slot).generation


def test_above_the_stored_ones(tmp_path: Path) -> None:
    slot = Slot("a", LATER)
    history = Changes(columns=(many(slot, 3),), newest={"a": LATER})
    fill(tmp_path / "a", history)
    with Node("a", tmp_path) as node:
        seen = [LATER]
        for views in (4, 5):
            node.restart()
            assert node.view("video-3") == views
            seen.append(generation(node))
        assert seen == sorted(set(seen))
        # Nothing more has been written to the old slot.
        assert on_disk(node).slots[slot] == {"video-1": 1, "video-2": 2, "video-3": 3}


def test_above_those_that_other_nodes_know_even_on_an_empty_disk(tmp_path: Path) -> None:
    """The node opens no slot before its first contact. Until then, views wait."""
    slot = Slot("a", SOON)
    fill(tmp_path / "b", Changes(columns=(many(slot, 3),), newest={"a": SOON}))
    with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url]) as a:
        b.start()
        for views in (4, 5):
            a.data = ":memory:"
            a.restart()
            assert a.view("video-3") == views
            assert generation(a) > SOON
            wait_until(lambda: equal([a, b]), "b has it")
        assert b.views("video-3") == 5


def test_above_the_folded_ones(tmp_path: Path) -> None:
    """In a slot below the fold, every node that knows of the fold would drop the views."""
    past = {"a": SOON}
    fill(tmp_path / "b", Changes(base=(("x", 7),), newest=past, closed=past, folded=past))
    with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url]) as a:
        b.start()
        a.start()
        assert a.view("x") == 8
        assert generation(a) > SOON
        wait_until(lambda: b.views("x") == 8, "b has it")
