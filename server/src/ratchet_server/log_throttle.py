"""The log is rationed, because others can provoke lines in it at will.

`Ration` and `OneLine` hold for every logger of the process, the libraries' included. `LogThrottle`
is for a cause that repeats itself: a peer with a wrong secret needs one line a minute, and not as
many as the ration allows.
"""

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

PERIOD_S: Final = 60.0
# How many causes a throttle remembers. This bounds its memory.
MAX_CAUSES: Final = 256
# How many lines a place in the code may write in a period: in a library, and in our own code, where
# a `LogThrottle` holds back what repeats itself, and the rest differs.
MOST_LINES: Final = 10
MOST_OF_OURS: Final = 250
# How many characters of a message are written. Clients choose some of them.
MOST_SIZE: Final = 1000
_OURS: Final = __name__.partition(".")[0]


class LogThrottle:
    """Remembers the causes that were logged within the last period."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When each cause was logged, the oldest first.
        self._logged: dict[Hashable, float] = {}

    def due(self, cause: Hashable) -> bool:
        """Whether to log `cause` now. If so, it counts as logged."""
        now = self._clock()
        while self._logged and next(iter(self._logged.values())) <= now - PERIOD_S:
            del self._logged[next(iter(self._logged))]
        if cause in self._logged:
            return False
        if len(self._logged) >= MAX_CAUSES:
            # Forget the oldest: many causes must not silence another. The ration bounds the lines.
            del self._logged[next(iter(self._logged))]
        self._logged[cause] = now
        return True


@dataclass
class _Spent:
    """What one place has written in its period."""

    since: float
    lines: int = 0
    left_out: int = 0


class Ration(logging.Filter):
    """Lets each place in the code write so many lines in a period, and says how many it leaves out.

    It is for one handler: it changes the records that it lets pass.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # The program has so many places that log, so these stay small.
        self._spent: dict[Hashable, _Spent] = {}
        self._traced: dict[Hashable, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        now = self._clock()
        place = (record.pathname, record.lineno, record.levelno)
        spent = self._spent.setdefault(place, _Spent(now))
        note = ""
        if spent.since <= now - PERIOD_S:
            if spent.left_out:
                note = f"({spent.left_out} lines like this were left out before it)"
            spent = self._spent[place] = _Spent(now)
        most = MOST_OF_OURS if record.name.startswith(_OURS) else MOST_LINES
        if spent.lines >= most:
            spent.left_out += 1
            return False
        spent.lines += 1
        if spent.lines == most:
            note = f"(more lines like this are left out for up to {PERIOD_S:.0f} s)"
        self._shorten(record, place, now)
        if note:
            record.msg, record.args = f"{_message(record)} {note}", None
        return True

    def _shorten(self, record: logging.LogRecord, place: Hashable, now: float) -> None:
        """Leave out a traceback that was written in this period already."""
        if not record.exc_info or record.exc_info[1] is None:
            return
        _, error, trace = record.exc_info
        cause = (place, type(error), _where(trace))
        if self._traced.get(cause, -PERIOD_S) <= now - PERIOD_S:
            self._traced[cause] = now
            return
        record.msg = f"{_message(record)}: {error!r} (with the traceback above)"
        record.args = record.exc_info = record.exc_text = None


def _message(record: logging.LogRecord) -> str:
    try:
        return _cut(record.getMessage())
    except (TypeError, ValueError):
        # The arguments don't fit. The caller must not fail for that.
        return _cut(f"{record.msg} {record.args}")


def _where(trace: TracebackType | None) -> Hashable:
    """The place in the code that raised."""
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno)


class OneLine(logging.Formatter):
    """Writes a message in one line of bounded length, without control characters: a client could
    forge lines with them, or turn a terminal red."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """The line."""
        record.message = _printable(_cut(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's name
        """The lines of a traceback."""
        return "\n".join(map(_printable, super().formatException(ei).split("\n")))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SIZE else f"{text[:MOST_SIZE]} ..."


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
