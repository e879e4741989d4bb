"""A slot: the part of every counter that one start of one process owns, and nobody else writes.

Why not one slot for each node? A node can come back with less than it had (an old backup, an empty
disk), or twice at once (a copied directory). In its old slot it would write numbers that others
have already seen there, and merging by maximum would swallow real views. No second process ever
writes a slot, so no slot can be written wrongly. A restart is simply another slot.
"""

from collections.abc import Callable
from typing import NamedTuple

from ratchet import names
from ratchet.names import Invalid


class Slot(NamedTuple):
    """`node@generation`."""

    node: str
    generation: int

    def __str__(self) -> str:
        return f"{self.node}@{self.generation}"

    @classmethod
    def parse(cls, text: object) -> "Slot":
        """The slot whose `str` is `text`. Raises `Invalid`."""
        if isinstance(text, str):
            node, at, generation = text.partition("@")
            # One slot has one spelling: `a@007` beside `a@7` would count twice.
            if at and generation.isascii() and generation.isdecimal() and len(generation) <= 16:
                slot = cls(names.node(node), names.generation(int(generation)))
                if str(slot) == text:
                    return slot
        raise Invalid(f"a slot is node@generation, not {names.shown(text)}")


def new_generation(opened_ms: int, chance: Callable[[int], int], newest: int) -> int:
    """The generation of a slot that is opened now: above `newest`, and unlike any other.

    `opened_ms` is the wall clock in milliseconds since 1970: when the process started, or when it
    had to open another slot. `chance(n)` returns an integer from
    0 to n-1: two starts can fall into one millisecond, on two machines that know nothing of each
    other. `newest` is the highest generation of this name that the process has stored or received:
    clocks are sometimes set back.
    """
    return max(opened_ms * 1000, newest + 1) + chance(1000)
