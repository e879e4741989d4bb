"""What a replica hands out to be written, and what it is given back at the next start."""

from typing import NamedTuple

from ratchet.column import Row
from ratchet.generations import Generations
from ratchet.slot import Slot


class ColumnChange(NamedTuple):
    """New rows of one slot, which is complete up to `upto` with them."""

    slot: Slot
    upto: int
    rows: tuple[Row, ...]


class Lift(NamedTuple):
    """The rows of these videos leave a folded slot, and their views go into the base; with the
    `last`, all that is left of the slot, and the slot itself."""

    slot: Slot
    videos: tuple[str, ...]
    last: bool


class Changes(NamedTuple):
    """What must be on disk before the replica claims it, in the order in which it is written.

    First the rows, by larger-of. Then the entries of `base`, by larger-of. Then each of `lifts`.
    Then the entries of the four maps, by larger-of. Reading a store back gives the same form (with
    nothing in `lifts`), maps first, in as many parts as it likes.
    """

    columns: tuple[ColumnChange, ...] = ()
    base: tuple[tuple[str, int], ...] = ()
    lifts: tuple[Lift, ...] = ()
    heard: Generations = {}
    closed: Generations = {}
    folded: Generations = {}
    # By name: how many views of its slots have been lifted in all.
    lifted: Generations = {}
