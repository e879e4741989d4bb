"""Bounds what is logged, because clients and peers can cause log lines at will.

`Ration` and `OneLine` apply to every logger of the process, also to the libraries'. `LogThrottle`
is stricter, for a cause that repeats: a peer with a wrong secret deserves one line a minute, and
not as many as the ration allows.
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
# How many lines a place in the code may log in a period: in a library, and in our own code. Ours
# may log more: a `LogThrottle` holds back its repetitions, so the lines differ.
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
            # Forget the oldest cause, so that a new cause is always logged. The ration still bounds
            # the lines.
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
    """Bounds the lines that each place in the code logs in a period, and counts those left out.

    Use it for one handler only: it changes the records that pass.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # The places in the code that log bound the size of both.
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
        return cut(record.getMessage())
    except (TypeError, ValueError):
        # The arguments don't fit the format. That must not fail the code that logs.
        return cut(f"{record.msg} {record.args}")


def _where(trace: TracebackType | None) -> Hashable:
    """The place in the code that raised."""
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno)


class OneLine(logging.Formatter):
    """Writes a message as one line of bounded length, without control characters. With those, a
    client could forge log lines, or change a terminal's colours."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """The line."""
        record.message = _printable(cut(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's name
        """The lines of a traceback."""
        return "\n".join(map(_printable, super().formatException(ei).split("\n")))


def cut(text: str) -> str:
    """The beginning of a message, as much as is written."""
    return text if len(text) <= MOST_SIZE else f"{text[:MOST_SIZE]} ..."


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
