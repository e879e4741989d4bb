"""Frames: the messages that replicas send to each other. `codec` says how each is written.

A transport may lose, double, delay and reorder frames: no frame relies on another having arrived.
`Hello` comes first on a connection. A frame whose parts contradict each other can't be built: it
raises `Invalid`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ratchet.column import Row
from ratchet.generations import Generations
from ratchet.names import Invalid
from ratchet.slot import Slot


class Versions(NamedTuple):
    """The versions of the protocol that a process speaks: all from `oldest` to `newest`."""

    oldest: int
    newest: int

    def common(self, other: "Versions") -> int | None:
        """The newest version that both speak; None if there is none."""
        newest = min(self.newest, other.newest)
        return newest if newest >= max(self.oldest, other.oldest) else None

    def __str__(self) -> str:
        if self.oldest == self.newest:
            return f"version {self.oldest}"
        return f"versions {self.oldest} to {self.newest}"


# What this program speaks.
#
# 1: `Hello` has one `version`, and no frame may have other fields than its own.
# 2: `Hello` has `versions`. `Hello` and `Digest` say of which cluster their sender is. Receivers
#    ignore unknown fields (`codec` says in which frames). Maps of generations may have a floor.
# 3: `Pulse` and `Ask`. Digests are numbered.
# 4: The base has days.
# 5: `AskKeys` and `TellKeys`.
# 6: Keys with zero views in `AskKeys`. `Farewell`.
VERSIONS: Final = Versions(1, 6)
CLUSTERS_SINCE: Final = 2
FLOORS_SINCE: Final = 2
PULSES_SINCE: Final = 3
DAYS_SINCE: Final = 4
KEYS_SINCE: Final = 5
HANDOVER_SINCE: Final = 6

# Rows in one frame: some 100 kB with the longest ids. Large enough that a million videos take a
# thousand frames, small enough that no frame holds anybody up for more than milliseconds.
MAX_ROWS: Final = 1000

# How many characters an entry of each map of a digest has, beside its name and its url.
_ENTRY: Final = len('"":1234567890123456,')
_SLOT: Final = len('"@1234567890123456":[1234567890123456,"0123456789abcdef"],')
_ALIVE: Final = len('"0123456789abcdef":["",1234567890123456,""],')


@dataclass(frozen=True, slots=True)
class Hello:
    """Who I am. `process` tells two processes of one name apart; `url` is where others reach me."""

    node: str
    process: str
    url: str
    versions: Versions = VERSIONS
    # See `identity`. The ids of my cluster that I have on disk, whether I am settled, and whether I
    # join the cluster of the receiver.
    cluster: tuple[str, ...] = ()
    settled: bool = False
    joins: bool = False

    @property
    def has_ids(self) -> bool:
        """Whether the sender knows of ids of clusters."""
        return self.versions.newest >= CLUSTERS_SINCE


class Alive(NamedTuple):
    """A process that the sender is connected to: its name, the generation of its slot (None while
    the slot is not open), and the url where others reach it."""

    node: str
    generation: int | None
    url: str


class Extent(NamedTuple):
    """How much of a slot is on disk: everything up to seq `durable`. `fingerprint` is of all that
    is on disk; None while more than that is in memory or on its way."""

    durable: int
    fingerprint: int | None


NOTHING: Final = Extent(0, 0)


class DaysExtent(NamedTuple):
    """What the sender has of `days` on disk: the first day that it keeps, and a fingerprint of all;
    None while they change."""

    first: int
    fingerprint: int | None


NO_DAYS: Final = DaysExtent(0, None)


@dataclass(frozen=True, slots=True)
class Digest:
    """What I have on disk, and what I know of the cluster. This or a `Pulse` is sent every second,
    so that everything that was lost is noticed."""

    # The slot that I count in.
    slot: Slot | None
    # How much I have of each slot.
    slots: Mapping[Slot, Extent]
    # The highest generation of each name that I know, that is closed, that is folded.
    newest: Generations
    closed: Generations
    folded: Generations
    # For each name in `folded`, how many views of its slots I have lifted into my base.
    lifted_views: Mapping[str, int]
    # None while the base changes.
    base_fingerprint: int | None
    # The processes that I am connected to.
    alive: Mapping[str, Alive]
    # See `identity`. The ids of my cluster that I have on disk, whether I am settled, and until
    # then, the names that I know to be whole.
    cluster: tuple[str, ...] = ()
    settled: bool = False
    whole: tuple[str, ...] = ()
    # Numbers rise with each digest and pulse of a process. 0: the sender does not number them.
    number: int = 0
    # The days of my base: see `DaysExtent`.
    days: DaysExtent = NO_DAYS

    def __post_init__(self) -> None:
        for lesser, greater, rule in (
            (self.folded, self.closed, "only closed slots are folded"),
            (self.closed, self.newest, "only known slots are closed"),
        ):
            if lesser.floor != greater.floor:
                raise Invalid(f"all maps have one floor, not {lesser.floor} and {greater.floor}")
            for node in (*lesser, *greater):
                if lesser[node] > greater[node]:
                    raise Invalid(f"{rule}, not {node}@{lesser[node]}")

    @property
    def size(self) -> int:
        """The length of its text, or somewhat more."""
        maps = (self.newest, self.closed, self.folded, self.lifted_views)
        return digest_size(maps, self.slots, self.alive, (*self.cluster, *self.whole))


def digest_size(
    maps: Iterable[Iterable[str]],
    slots: Iterable[Slot],
    alive: Mapping[str, Alive],
    texts: Iterable[str],
) -> int:
    """The length of the text of a digest with these names in its four maps, or somewhat more. (To
    know it exactly costs as much as the text.) Each number counts as if it had all 16 digits.
    `texts`: what else there is."""
    return (
        500
        + sum(entry_size(node) for names in maps for node in names)
        + sum(_SLOT + len(slot.node) for slot in slots)
        + sum(_ALIVE + len(one.node) + len(one.url) for one in alive.values())
        + sum(len(text) + len('"",') for text in texts)
    )


def entry_size(node: str) -> int:
    """How much of that an entry of a map is."""
    return _ENTRY + len(node)


@dataclass(frozen=True, slots=True)
class Pulse:
    """A digest in a few words: what I say of my own slot, and a hash of the rest. See `pulses`."""

    number: int
    # The slot that I count in, and how much of it is on my disk.
    slot: Slot | None
    extent: Extent
    # How many changes I lack of those that the owners of open slots have told me of.
    lacks: int
    # 32 hex digits.
    rest: str
    # The days of my base. They are no part of the rest.
    days: DaysExtent = NO_DAYS


@dataclass(frozen=True, slots=True)
class Ask:
    """Send me your digest: I don't know the rest of your pulse, or I need more than it says."""


@dataclass(frozen=True, slots=True)
class Want:
    """Send me the rows of `slot` above this seq. The answer repeats my `number`, unless it is 0."""

    slot: Slot
    above: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of `slot` above seq `start`, in the order of seq.

    The owner of the slot pushes them as it counts, or any replica sends them in answer to `Want`.
    With `more`, the receiver asks again, above the last row. Take a receiver that has everything up
    to `start`: after the last frame it has everything up to the first frame's `complete`, in memory
    like its sender.
    """

    slot: Slot
    start: int
    complete: int
    more: bool
    rows: tuple[Row, ...]
    # Answer with `Have` once the rows are on disk.
    confirm: bool = False
    # The number of the question; 0 if nobody asked.
    answers: int = 0

    def __post_init__(self) -> None:
        _check_size(self.rows)
        last, videos = self.start, set[str]()
        for row in self.rows:
            # Rows of different videos may have one seq: see `Column.above`.
            if row.seq < last or row.seq == self.start or (row.seq == last and row.video in videos):
                raise Invalid(f"row {row.seq} is out of order after {last}")
            if row.seq > last:
                last, videos = row.seq, set()
            videos.add(row.video)
        if self.more and not self.rows:
            raise Invalid("a frame without rows can't say that more follow")


@dataclass(frozen=True, slots=True)
class Have:
    """I have everything of `slot` up to seq `durable` on disk."""

    slot: Slot
    durable: int


@dataclass(frozen=True, slots=True)
class WantBase:
    """Send me your base from entry number `start` on: that of all days, or of one `day`."""

    start: int
    day: int | None = None


@dataclass(frozen=True, slots=True)
class BaseRows:
    """Entries `start` and following of my base, of `total`: of all days, or of one `day`. It stands
    on the folds `folded`. The next day that I have is `following`."""

    folded: Generations
    start: int
    total: int
    entries: tuple[tuple[str, int], ...]
    day: int | None = None
    following: int | None = None

    def __post_init__(self) -> None:
        _check_size(self.entries)
        if self.following is not None and self.following <= (-1 if self.day is None else self.day):
            raise Invalid(f"day {self.following} does not follow {self.day}")


@dataclass(frozen=True, slots=True)
class AskKeys:
    """Have you counted views with these keys? If not, never do: I have them. See `retries`.

    `names`: a fingerprint of the names that I list, and of which are gone. `rival`: whether I count
    them once nobody else has or may. With `views`, a video and a number for each key, I have done
    with these views, and you take them over: zero views have counted. The answer repeats my
    `number`.
    """

    number: int
    names: int
    rival: bool
    keys: tuple[str, ...]
    views: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        _check_size(self.keys)
        if self.views and len(self.views) != len(self.keys):
            raise Invalid(f"{len(self.views)} views have {len(self.keys)} keys")


@dataclass(frozen=True, slots=True)
class TellKeys:
    """Of the keys that you asked for: those that are counted, those that I never count, and those
    that are pending here, too, each with the process that took it first."""

    answers: int
    counted: tuple[str, ...]
    never: tuple[str, ...]
    pending: Mapping[str, str]

    def __post_init__(self) -> None:
        _check_size((*self.counted, *self.never, *self.pending))


@dataclass(frozen=True, slots=True)
class Farewell:
    """I have left for good. I count no key any more, and others have those that I have counted. The
    same is true of all earlier processes of my name. `slot`: the last one, closed. The receiver
    sends it back."""

    slot: Slot


# What a process says of itself once a heartbeat. Only the newest counts.
Heartbeat = Digest | Pulse
AboutKeys = AskKeys | TellKeys | Farewell
Frame = Hello | Heartbeat | Ask | Want | Rows | Have | WantBase | BaseRows | AboutKeys


class Send(NamedTuple):
    """A frame for one peer (its process), or for every peer where `to` is None."""

    to: str | None
    frame: Frame


def _check_size(rows: tuple[object, ...]) -> None:
    if len(rows) > MAX_ROWS:
        raise Invalid(f"{len(rows)} rows in one frame are more than {MAX_ROWS}")
