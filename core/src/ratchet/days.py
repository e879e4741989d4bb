"""Days: the base once more, divided by the days on which its views were counted.

A generation is the time at which its slot was opened, and at midnight (UTC) every process opens a
new slot, as if it had started again. So all views of a slot are of one day, and a fold adds them to
that day here, too. What is not folded yet has its day in the name of its slot. Nothing is sent for
this while nodes count.

A day is a column like the base, and obeys the same laws: it only grows, and where the same slots
are folded, the larger of two is right. Old days are forgotten at last: those before `first`, which
rises alike on all replicas.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, TypeVar

from ratchet.base import Base
from ratchet.names import is_import
from ratchet.slot import Slot

C = TypeVar("C")

_US: Final = 86_400 * 1_000_000


def day_at(microseconds: int) -> int:
    """The day of a time or a generation: whole days since 1970, UTC."""
    return microseconds // _US


def day_of(slot: Slot) -> int | None:
    """The day on which the views of `slot` were counted. Nobody knows it of imports."""
    return None if is_import(slot.node) else day_at(slot.generation)


def on_day(slots: Mapping[Slot, C], day: int) -> Iterator[C]:
    """What belongs to the slots whose views were counted on `day`."""
    begin, end = day * _US, (day + 1) * _US
    for slot, each in slots.items():
        # Of thousands of slots few are of one day.
        if begin <= slot.generation < end and not is_import(slot.node):
            yield each


class Days:
    """A column of lifted views for each day from `first` on."""

    def __init__(self) -> None:
        # Earlier days are forgotten.
        self.first = 0
        self._columns: dict[int, Base] = {}
        # None: they have changed. It is compared with that of each peer every second.
        self._fingerprint: int | None = None

    def __iter__(self) -> Iterator[tuple[int, str, int]]:
        """Every entry: a day, a video and its views."""
        for day, column in self._columns.items():
            for video, views in column:
                yield day, video, views

    @property
    def fingerprint(self) -> int:
        """Equal where all days are equal: 64 bits."""
        if self._fingerprint is None:
            text = " ".join(f"{day} {self._columns[day].fingerprint:016x}" for day in self.days())
            self._fingerprint = int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
        return self._fingerprint

    def views(self, day: int, video: str) -> int:
        """The views of `video` on `day` in folded slots."""
        column = self._columns.get(day)
        return column.views(video) if column else 0

    def days(self) -> list[int]:
        """The days that have entries, the earliest first."""
        return sorted(self._columns)

    def viewed_on(self, day: int) -> set[str]:
        """The videos with entries on `day`."""
        column = self._columns.get(day)
        return {*column.videos} if column else set()

    def keeps(self, day: int | None) -> bool:
        """Whether views of this day have a place here."""
        return day is not None and day >= self.first

    def add(self, day: int, video: str, views: int) -> None:
        """Lift `views` of a folded slot into its day."""
        if views and self.keeps(day):
            self._column(day).add(video, views)

    def merge(self, day: int, entries: Iterable[tuple[str, int]]) -> list[str]:
        """Take the larger of each. Return the videos that grew."""
        some = [entry for entry in entries if entry[1]]
        return self._column(day).merge(some) if some and self.keeps(day) else []

    def forget_before(self, first: int) -> bool:
        """Forget the days before `first`, for good. Whether that is news."""
        if first <= self.first:
            return False
        self.first, self._fingerprint = first, None
        self._columns = {day: it for day, it in self._columns.items() if day >= first}
        return True

    # -- in parts, for another replica -----------------------------------------------------

    def chunk(self, day: int, start: int, limit: int) -> tuple[int, list[tuple[str, int]]]:
        """How many entries `day` has, and at most `limit` of them, from number `start` on."""
        column = self._columns.get(day)
        return (len(column), column.chunk(start, limit)) if column else (0, [])

    def after(self, day: int | None) -> int | None:
        """The first day after `day` that has entries; of all days, if `day` is None."""
        return min((one for one in self._columns if day is None or one > day), default=None)

    def _column(self, day: int) -> Base:
        """The column of `day`, to change it."""
        self._fingerprint = None
        return self._columns.setdefault(day, Base())
