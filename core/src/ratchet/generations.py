"""Maps of node -> generation: which starts of each node are known, closed or folded.

Generations of one name only rise, so "everything of `a` up to 17" is one number. That keeps these
maps at one entry for each node name, however often the node restarts.
"""

from collections.abc import Mapping

from ratchet.slot import Slot


class Generations(dict[str, int]):
    """One generation for each node: the map speaks of that generation and of all before it.

    A dict, so that it compares, copies and encodes as one.
    """

    def merge(self, other: Mapping[str, int], /) -> list[Slot]:
        """Take the larger generation of each node. Return the slots that were news."""
        news = [
            Slot(node, generation)
            for node, generation in other.items()
            if generation > self.get(node, -1)
        ]
        self.update(news)
        return news

    def covers(self, slot: Slot) -> bool:
        """Whether `slot` is among the generations of its node that the map speaks of."""
        return slot.generation <= self.get(slot.node, -1)


def join(one: Mapping[str, int], other: Mapping[str, int]) -> Generations:
    """The least map that covers both, as a new map."""
    joined = Generations(one)
    joined.merge(other)
    return joined
