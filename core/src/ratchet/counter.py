"""THE IDEA: a counter that many can count on at once, that only grows, and that can forget.

    value = base + sum of slots

**Counting.** Every process counts in a slot of its own, only upwards. No process waits for another.

**Merging.** Two replicas of a counter become one by taking the larger number of each slot. A slot
has one writer and only grows, so the larger number is the later one. Taking the larger does not
care about order, repetition or grouping: messages may be late, doubled, lost and sent again. This
is the G-counter of Shapiro et al. (2011).

**Forgetting.** Slots of dead processes would pile up for ever. It is easy to add a slot into a
shared base and drop it. The hard part is a late replica that still has the slot: merged, the slot
would count twice. So a map beside the counters says which generations are *folded*, and before two
counters merge, both are **lifted** by everything that either side has folded:

    lift: for every folded slot   base += slots.pop(slot)        the value stays the same

After that a folded slot is in the base on both sides, and a slot on neither. `base` is never above
the true total of the folded slots. Lifting and taking the larger both keep that, so nothing counts
twice, in whatever order retirements, partitions and year-old copies come. No time-out stands behind
this promise.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

from ratchet.generations import Generations
from ratchet.names import MAX_COUNT
from ratchet.slot import Slot


class Counter(NamedTuple):
    """One video's views as one replica knows them. Every method returns a new one."""

    base: int = 0
    slots: Mapping[Slot, int] = {}

    @property
    def value(self) -> int:
        """The number to show."""
        # Held at MAX_COUNT rather than wrapped: a number that stops is still one that never falls.
        return min(self.base + sum(self.slots.values()), MAX_COUNT)

    def add(self, slot: Slot, views: int = 1) -> Self:
        """The counter with `views` more in `slot`; only the owner of `slot` may do this."""
        slots = dict(self.slots)
        slots[slot] = min(slots.get(slot, 0) + views, MAX_COUNT)
        return self._replace(slots=slots)

    def lift(self, folded: Generations) -> Self:
        """The same value, with every folded slot moved into the base."""
        kept = {slot: n for slot, n in self.slots.items() if not folded.covers(slot)}
        lifted = sum(n for slot, n in self.slots.items() if slot not in kept)
        return self._replace(base=min(self.base + lifted, MAX_COUNT), slots=kept)

    def merge(self, other: "Counter", /) -> Self:
        """The larger of each. Both must have been lifted by the same `folded` (see `lift`)."""
        slots = dict(self.slots)
        for slot, n in other.slots.items():
            slots[slot] = max(n, slots.get(slot, 0))
        return self._replace(base=max(self.base, other.base), slots=slots)
