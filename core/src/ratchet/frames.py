"""What replicas say to each other. `codec` says how each is written.

A transport may lose, double, delay and reorder frames; none of them relies on another having
arrived. `Hello` comes first on a connection and tells who is there.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ratchet.column import Row
from ratchet.generations import Generations
from ratchet.slot import Slot

VERSION: Final = 1

# Rows in one frame: some 100 kB at the longest ids. Large enough that a million videos take a
# thousand frames, small enough that none of them holds anybody up for more than milliseconds.
MAX_ROWS: Final = 1000


class Hello(NamedTuple):
    """Who I am. `process` tells two processes of one name apart; `url` is where others reach me."""

    node: str
    process: str
    url: str


class Extent(NamedTuple):
    """How much of a slot is on disk: complete up to `upto`; and the fingerprint of all that is
    there, or None while more is there, or on its way, than is claimed."""

    upto: int
    fingerprint: int | None


class Digest(NamedTuple):
    """What I have on disk: how much of each slot, and what I know of the cluster.

    `heard` is the highest generation that I know of each name; `base` the fingerprint of the base
    column. Said every second, so that whatever was lost is noticed.
    """

    slots: Mapping[Slot, Extent]
    heard: Generations
    closed: Generations
    folded: Generations
    base: int


class Want(NamedTuple):
    """Send me the rows of `slot` above this seq."""

    slot: Slot
    above: int


class Rows(NamedTuple):
    """Rows of `slot` above `start`, in the order of seq, from a peer that is complete to `upto`.

    Pushed by the slot's owner as it counts, or sent by anybody in answer to `Want`. Where there
    are `more`, they are asked for above the last row. Whoever had everything up to `start` is
    complete, too, when the last frame is there: up to the `upto` of the first one.
    """

    slot: Slot
    start: int
    upto: int
    more: bool
    rows: tuple[Row, ...]


class WantBase(NamedTuple):
    """Send me your base column from entry number `start` on."""

    start: int


class BaseRows(NamedTuple):
    """Entries `start` and following of my base column, of `total`, lifted by `folded`."""

    folded: Generations
    start: int
    total: int
    rows: tuple[tuple[str, int], ...]


Frame = Hello | Digest | Want | Rows | WantBase | BaseRows
