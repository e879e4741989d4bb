"""Changes: what a replica asks its driver to write, and gets back when it starts again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ratchet.column import Row
from ratchet.slot import Slot


class ColumnChange(NamedTuple):
    """New rows of one slot, which is complete up to `complete` with them."""

    slot: Slot
    complete: int
    rows: tuple[Row, ...]


class Lift(NamedTuple):
    """The rows of these videos leave a folded slot, and their views go into the base, and into the
    column of their day. With the `last` lift, the rest of the slot leaves too, and the slot
    itself."""

    slot: Slot
    videos: tuple[str, ...]
    last: bool
    # None: no day is known, or the day is forgotten.
    day: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Views with one key that are accepted, and count once no member can have counted them: see
    `retries`."""

    video: str
    # How many: one, but in batches.
    views: int
    # The process that took it first.
    by: str
    # Whether its key was promised here before it came.
    behind: bool
    # When it came, in milliseconds since 1970.
    since_ms: int


class Changes(NamedTuple):
    """What must be on disk before the replica claims it, in the order of writing.

    First write the rows, by larger-of. Then the entries of `base` and of `days`, by larger-of. Then
    each of `lifts`. Then the four maps, if they are there, in the place of those before: they have
    grown, and may list fewer names (see `generations`). Then the ids, by union, and `settled`, if
    it is set. Then forget all days before `first_day`, if that is larger than before. At last, the
    keys of views: a store remembers each of `counted` and `elsewhere` with its video, and each of
    `promised` with none, unless it has it with one. `pending` it adds, replaces, or forgets (None).
    A store returns the same form, in as many parts as it likes: the maps, ids and `first_day`
    first, and nothing in `lifts` and of keys but what is `pending`.
    """

    columns: tuple[ColumnChange, ...] = ()
    base: tuple[tuple[str, int], ...] = ()
    lifts: tuple[Lift, ...] = ()
    # See `table` for the meanings of the four maps.
    newest: Mapping[str, int] = {}
    closed: Mapping[str, int] = {}
    folded: Mapping[str, int] = {}
    lifted_views: Mapping[str, int] = {}
    # See `identity`.
    ids: frozenset[str] = frozenset()
    settled: bool = False
    # See `days`: the first day that is kept; a day, a video and its views.
    first_day: int = 0
    days: tuple[tuple[int, str, int], ...] = ()
    # See `retries`. Keys of views that were counted in these changes, and of those that another
    # node has counted, each with its video. Keys that never count here without asking.
    counted: Mapping[str, str] = {}
    elsewhere: Mapping[str, str] = {}
    promised: frozenset[str] = frozenset()
    pending: Mapping[str, Pending | None] = {}
