"""Bounds: what can be true of other processes, by our own clock.

Whatever is merged stays, and spreads to every replica and browser. So a replica refuses a frame as
a whole if a number in it can't be true:

    a generation          <= now + a day
    views or a seq        <= now + a day - generation of the slot
    views of many slots   <= now + a day

All of these are microseconds since 1970, the unit of generations. The first bound keeps a name
usable: its next process counts above every generation that anybody knows, and there is a largest
one. The others keep counts from ending at `MAX_COUNT`, where further views would change nothing. A
slot counts less than one view in a microsecond: that is fifty times what a process can write.

The clock may be wrong, ours or another's. A clock that shows local time instead of UTC is 14 hours
wrong at most, so a day is free. Beyond a day, nobody can tell which of the two clocks is wrong, and
the frame is refused. When somebody sets the clock, the next frame is merged. A clock that shows a
time before this program existed (1970, at many boots) judges nobody.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from ratchet.column import Row
from ratchet.days import day_at
from ratchet.frames import AskKeys, BaseRows, Digest, Farewell, Frame, Have, Pulse, Rows
from ratchet.names import MAX_COUNT, Invalid
from ratchet.slot import Slot
from ratchet.table import Table

_HOUR_US: Final = 3600 * 1_000_000
# How far others may be ahead of our clock: a day, in microseconds.
AHEAD_US: Final = 24 * _HOUR_US
# The beginning of 2025.
_NO_CLOCK_BEFORE_MS: Final = 1_735_689_600_000


class Implausible(Invalid):
    """A frame claims what can't be true. The message says what."""


class Fault(NamedTuple):
    """A number in a table that can't be true."""

    # Where it is: in what is known of a name, in a slot, or in the base (None).
    place: str | Slot | None
    # Of which video; None if it is not of one video.
    video: str | None
    text: str


class Bounds:
    """Compares what others claim with our clock."""

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        """`wall_ms` returns the wall clock's time, in milliseconds since 1970."""
        self._wall_ms = wall_ms

    def check(self, frame: Frame) -> None:
        """Raises `Implausible` if anything in `frame` can't be true."""
        for fault in self._of_frame(frame):
            raise Implausible(fault.text)

    def faults(self, table: Table) -> Iterator[Fault]:
        """Everything in `table` that can't be true."""
        latest = self.latest
        if latest is None:
            return
        # `closed` and `folded` are never above `newest`.
        yield from _of_names(table.newest.items(), latest)
        yield from _of_lifted(table.lifted_views.items(), latest)
        for columns in (table.columns, table.lifting):
            for slot, column in columns.items():
                yield from _of_slots([(slot, column.complete)], latest)
                # No row can be a fault if all together are none: a million are not looked at.
                if max(column.total, column.highest) > latest - slot.generation:
                    yield from _of_rows(slot, column, latest)
        if table.base.total > latest:
            yield from _of_base(table.base, latest)
        yield from _of_first_day(table.days.first, latest)
        for day in table.days.days():
            yield from _of_day(day, latest)

    def most_views(self, slot: Slot) -> int:
        """How many views of one video `slot` may have, so that all believe it whose clocks are at
        most half a day behind ours."""
        latest = self.latest
        return MAX_COUNT if latest is None else latest - AHEAD_US // 2 - slot.generation

    @property
    def latest(self) -> int | None:
        """The largest generation that can be true. None: our clock judges nobody."""
        wall_ms = self._wall_ms()
        return None if wall_ms < _NO_CLOCK_BEFORE_MS else wall_ms * 1000 + AHEAD_US

    def _of_frame(self, frame: Frame) -> Iterator[Fault]:
        latest = self.latest
        if latest is None:
            return
        match frame:
            case Digest():
                # `closed` and `folded` are never above `newest`.
                yield from _of_names(frame.newest.items(), latest)
                yield from _of_names(_counting(frame), latest)
                yield from _of_slots(((s, e.durable) for s, e in frame.slots.items()), latest)
                yield from _of_lifted(frame.lifted_views.items(), latest)
                yield from _of_first_day(frame.days.first, latest)
            case Pulse(_, slot, extent):
                yield from _of_slots([(slot, extent.durable)] if slot else [], latest)
                yield from _of_first_day(frame.days.first, latest)
            case Rows():
                yield from _of_slots([(frame.slot, frame.complete)], latest)
                yield from _of_rows(frame.slot, frame.rows, latest)
            case Have(slot, durable):
                yield from _of_slots([(slot, durable)], latest)
            case BaseRows():
                yield from _of_names(frame.folded.items(), latest)
                yield from _of_base(frame.entries, latest)
                yield from _of_day(frame.following or frame.day or 0, latest)
            case AskKeys():
                for video, views in frame.views:
                    if views > latest:
                        yield Fault(None, video, f"no node can have {views} views of {video} yet")
            case Farewell(slot):
                yield from _of_names([slot], latest)
            # Nothing that the others claim is kept.


def _counting(digest: Digest) -> Iterator[tuple[str, int]]:
    """The slots of the sender and of the processes that it is connected to."""
    if digest.slot:
        yield digest.slot
    for node, generation, _ in digest.alive.values():
        yield node, generation or 0


def _of_names(generations: Iterable[tuple[str, int]], latest: int) -> Iterator[Fault]:
    for node, generation in generations:
        if generation > latest:
            yield Fault(node, None, _ahead(Slot(node, generation), latest))


def _of_slots(seqs: Iterable[tuple[Slot, int]], latest: int) -> Iterator[Fault]:
    for slot, seq in seqs:
        if slot.generation > latest:
            yield Fault(slot, None, _ahead(slot, latest))
        elif seq > latest - slot.generation:
            yield Fault(slot, None, f"{slot} can't have {seq} changes yet")


def _of_rows(slot: Slot, rows: Iterable[Row], latest: int) -> Iterator[Fault]:
    most = latest - slot.generation
    if most < 0:
        return  # The slot itself is the fault.
    for video, views, seq in rows:
        if views > most or seq > most:
            what = f"{views} views of {video}" if views > most else f"{seq} changes"
            yield Fault(slot, video, f"{slot} can't have {what} yet")


def _of_base(entries: Iterable[tuple[str, int]], latest: int) -> Iterator[Fault]:
    for video, views in entries:
        if views > latest:
            yield Fault(None, video, f"the base can't have {views} views of {video} yet")


def _of_lifted(views_of: Iterable[tuple[str, int]], latest: int) -> Iterator[Fault]:
    for node, views in views_of:
        if views > latest:
            yield Fault(node, None, f"{node} can't have {views} views in the base yet")


def _of_day(day: int, latest: int) -> Iterator[Fault]:
    if day > day_at(latest):
        yield Fault(None, None, f"day {day} is not yet")


def _of_first_day(first: int, latest: int) -> Iterator[Fault]:
    # Who keeps no days forgets those before tomorrow.
    yield from _of_day(first - 1, latest)


def _ahead(slot: Slot, latest: int) -> str:
    hours = (slot.generation - latest + AHEAD_US) // _HOUR_US
    return f"{slot} is {hours} hours ahead: its clock or ours is wrong"
