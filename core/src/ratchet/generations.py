"""Maps of node -> generation, joined by maximum: what is closed, folded or heard of.

Generations of one name only rise, so "everything of `a` up to 17" is one number. That keeps
these maps at one entry a node name for ever, however often the node restarts.
"""

from collections.abc import Mapping

from ratchet.slot import Slot

Generations = Mapping[str, int]


def join(ours: Generations, theirs: Generations) -> dict[str, int]:
    """The least map that covers both: the larger generation of each node."""
    joined = dict(ours)
    for node, generation in theirs.items():
        if generation > joined.get(node, -1):
            joined[node] = generation
    return joined


def covers(generations: Generations, slot: Slot) -> bool:
    """Whether `slot` is among the generations of its node that the map speaks of."""
    return slot.generation <= generations.get(slot.node, -1)
