"""Maps of node -> generation: which starts of each node are known, closed or folded.

Generations of one name only rise, so "everything of `a` up to 17" is one number, however often `a`
restarts. Names come and go, too. So that they can be forgotten, a map is a *total function*: every
name has a value, listed or not. The key "*" is no name; it holds the *floor*, the value of all
names that are not listed.

    {"a": 31, "b": 7, "*": 20}    a up to 31, b up to 7, and every other name up to 20

To join two maps is to take the larger value of **every** name, so a name that only one map lists
meets the floor of the other. A name at the floor need not be listed, and is forgotten. A name below
the floor must be: it is an exception. Without "*" the floor is below all generations.
"""

from collections.abc import Mapping
from typing import Final

from ratchet.slot import Slot

# The key of the floor, and the floor of a map without one.
FLOOR: Final = "*"
NOTHING: Final = -1


class Generations(dict[str, int]):
    """One generation for each node: the map speaks of that generation and of all before it.

    A dict of what is listed, so that it compares, copies and encodes as one. Index it for the value
    of any name. (`get` and `in` know only what is listed.)
    """

    def __missing__(self, node: str) -> int:
        return self.get(FLOOR, NOTHING)

    @property
    def floor(self) -> int:
        """The value of every name that is not listed."""
        return self[FLOOR]

    @property
    def placeholder(self) -> int:
        """The generation that stands for a name while no slot of it is known: just above what the
        map says of all names, and below every slot that is opened in sight of this map."""
        return self.floor + 1

    def names(self) -> list[str]:
        """The names that are listed."""
        return [node for node in self if node != FLOOR]

    def merge(self, other: Mapping[str, int], /) -> list[Slot]:
        """Take the larger generation of each node. Return the values that were news. (Not all of
        them need be listed now.)"""
        theirs = other if isinstance(other, Generations) else Generations(other)
        ours, floor = self.floor, theirs.floor
        news = [Slot(node, n) for node, n in theirs.items() if n > self.get(node, ours)]
        news += [Slot(node, floor) for node, n in self.items() if n < floor and node not in theirs]
        if floor > ours:
            # Names that only they list were at our floor. It rises, and they stay there.
            self.update({node: ours for node in theirs if node not in self})
        self.update(news)
        at_floor = self.items() if floor > ours else news
        for node in [node for node, n in at_floor if n == self.floor and node != FLOOR]:
            del self[node]
        return news

    def covers(self, slot: Slot) -> bool:
        """Whether `slot` is among the generations of its node that the map speaks of."""
        return slot.generation <= self[slot.node]


def join(one: Mapping[str, int], other: Mapping[str, int]) -> Generations:
    """The least map that covers both, as a new map."""
    joined = Generations()
    joined.merge(one)
    joined.merge(other)
    return joined
