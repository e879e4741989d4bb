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


# Slots in one digest. A cluster has as many as nodes, and some that wait to be folded; this many
# there are only where a fold was blocked for years. Then the others are not told of until these
# are folded: the maps, which unblock it, must come through.
MAX_SLOTS: Final = 5000


class Hello(NamedTuple):
    """Who I am. `process` tells two processes of one name apart; `url` is where others reach me."""

    node: str
    process: str
    url: str


class Alive(NamedTuple):
    """A process that somebody is connected to: its name, the generation of its slot (None while
    that isn't open), and where it is reached."""

    node: str
    generation: int | None
    url: str


class Extent(NamedTuple):
    """How much of a slot is on disk: complete up to `upto`; and the fingerprint of all that is
    there, or None while more is there, or on its way, than is claimed."""

    upto: int
    fingerprint: int | None


class Digest(NamedTuple):
    """What I have on disk: how much of each slot, and what I know of the cluster.

    `slot` is where I count. `heard` is the highest generation that I know of each name, `lifted`
    how many views of a name's slots I have lifted in all. `base` is the fingerprint of the base
    column, None while it changes. `alive` are the processes that I am connected
    to. Said every second, so that whatever was lost is noticed.
    """

    slot: Slot | None
    slots: Mapping[Slot, Extent]
    heard: Generations
    closed: Generations
    folded: Generations
    lifted: Mapping[str, int]
    base: int | None
    alive: Mapping[str, Alive]


class Want(NamedTuple):
    """Send me the rows of `slot` above this seq; the answer repeats my `number`, unless it's 0."""

    slot: Slot
    above: int
    number: int = 0


class Rows(NamedTuple):
    """Rows of `slot` above `start`, in the order of seq, from a peer that is complete to `upto`.

    Pushed by the slot's owner as it counts, or sent by anybody in answer to `Want`. Where there
    are `more`, they are asked for above the last row. Whoever had everything up to `start` is
    complete, too, when the last frame is there: up to the `upto` of the first one. Whoever is to
    `tell` answers with `Have` once it is on disk. `answers` is the number of the question, 0 for
    what nobody asked for.
    """

    slot: Slot
    start: int
    upto: int
    more: bool
    rows: tuple[Row, ...]
    tell: bool = False
    answers: int = 0


class Have(NamedTuple):
    """Of `slot` I have on disk all up to `upto`."""

    slot: Slot
    upto: int


class WantBase(NamedTuple):
    """Send me your base column from entry number `start` on."""

    start: int


class BaseRows(NamedTuple):
    """Entries `start` and following of my base column, of `total`, lifted by `folded`."""

    folded: Generations
    start: int
    total: int
    rows: tuple[tuple[str, int], ...]


Frame = Hello | Digest | Want | Rows | Have | WantBase | BaseRows
