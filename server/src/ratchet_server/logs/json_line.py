"""A log record as one line of JSON: time, level, logger, message and, if any, exception."""

import logging
from datetime import UTC, datetime
from typing import Final

from pythonjsonlogger.core import LogData
from pythonjsonlogger.json import JsonFormatter

from ratchet_server.log_throttle import cut

# By the names that `logging` gives them.
_FIELDS: Final = {
    "asctime": "time",
    "levelname": "level",
    "name": "logger",
    "message": "message",
    "exc_info": "exception",
    "stack_info": "stack",
}
# How many characters of a traceback are written. Docker splits a line of more than 16 kB in two.
MOST_OF_TRACE: Final = 8000


class JsonLine(JsonFormatter):
    """Writes the fields above, and no others that a library adds. All is ASCII: JSON escapes line
    ends and control characters, so that a client can't forge lines."""

    def __init__(self) -> None:
        super().__init__((*_FIELDS,)[:4], rename_fields=_FIELDS)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802  # logging's name
        """ISO 8601, in UTC, with milliseconds."""
        time = datetime.fromtimestamp(record.created, UTC)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def process_log_record(self, log_data: LogData) -> LogData:
        """The fields of one line."""
        line = {name: log_data[name] for name in _FIELDS.values() if name in log_data}
        line["message"] = cut(str(line["message"]))
        for name in ("exception", "stack"):
            if name in line:
                line[name] = _end_of(str(line[name]))
        return line


def _end_of(trace: str) -> str:
    """A traceback, or its end: that says what was raised, and where."""
    return trace if len(trace) <= MOST_OF_TRACE else f"... {trace[-MOST_OF_TRACE:]}"
