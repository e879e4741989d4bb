"""THE IDEA: a counter that many can count on at once, that only grows, and that can forget.

    value = base + sum of slots

**Counting.** Every process counts in a slot of its own, only upwards. Nobody waits for anybody.

**Merging.** Two replicas of a counter become one by taking the larger number of each slot. A slot
has one writer and only grows, so the larger number is simply the later one. Larger-of doesn't care
about order, repetition or grouping: messages may be late, doubled, lost and sent again. This is
the G-counter of Shapiro et al. (2011).

**Forgetting.** Slots of processes that are gone would pile up for ever. Adding a slot into a
shared base and dropping it is easy; the hard part is a late replica that still has the slot:
merged, it would count twice. So it is written down, apart from the counters, which generations
are *folded*, and before two counters meet each is **lifted** to what either side has folded:

    lift: for every folded slot   base += slots.pop(slot)        the value stays what it was

After that a folded slot is in the base on both sides, and on neither as a slot. `base` is never
above the true total of the folded slots; lifting and larger-of both keep that, so nothing counts
twice, in whatever order retirements, partitions and year-old copies come. There is no time-out
behind this.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

from ratchet.generations import Generations, covers
from ratchet.names import MAX_COUNT
from ratchet.slot import Slot


class Counter(NamedTuple):
    """One video's views as one replica knows them. Immutable; every method gives a new one."""

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
        kept = {slot: n for slot, n in self.slots.items() if not covers(folded, slot)}
        lifted = sum(n for slot, n in self.slots.items() if slot not in kept)
        return self._replace(base=min(self.base + lifted, MAX_COUNT), slots=kept)

    def merge(self, other: "Counter") -> Self:
        """The larger of each. Both must have been lifted by the same `folded` (see `lift`)."""
        slots = dict(self.slots)
        for slot, n in other.slots.items():
            slots[slot] = max(n, slots.get(slot, 0))
        return self._replace(base=max(self.base, other.base), slots=slots)
