"""Who counted: a slot is one start of one process, and only that process ever writes it.

Why not simply one slot a node? Because a node can come back with less than it had (an old backup,
an empty disk) or twice at once (a copied directory). Under one name it would write numbers that
others have already seen there, and merging by maximum would swallow real views. A slot that is
never written by a second process can't be written wrongly; a restart is simply another slot.
"""

from collections.abc import Callable
from typing import NamedTuple

from ratchet import names
from ratchet.names import Invalid


class Slot(NamedTuple):
    """`node@generation`: the part of every counter that one process start owns."""

    node: str
    generation: int

    def __str__(self) -> str:
        return f"{self.node}@{self.generation}"

    @classmethod
    def parse(cls, text: object) -> "Slot":
        """The slot that `str` wrote. Raises `Invalid`."""
        if isinstance(text, str):
            node, at, generation = text.partition("@")
            # One slot has one spelling: `a@007` or `a@+7` beside `a@7` would count twice.
            if at and generation.isascii() and generation.isdecimal() and len(generation) <= 16:
                slot = cls(names.node(node), names.generation(int(generation)))
                if str(slot) == text:
                    return slot
        raise Invalid(f"a slot is node@generation, not {names.shown(text)}")


def new_generation(started_ms: int, chance: Callable[[int], int], heard: int) -> int:
    """The generation of a process that starts now: above `heard`, and unlike any other's.

    `started_ms` is the wall clock in milliseconds since 1970; `chance(n)` gives an integer from 0
    to n-1. The random part is there because two starts can fall into one millisecond, on two
    machines that know nothing of each other. `heard`, the highest generation of this name that
    the process has stored or heard of, is there because clocks are sometimes set back.
    """
    return max(started_ms * 1000, heard + 1) + chance(1000)
