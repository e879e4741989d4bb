"""The log of a process: one line on stderr for each event, as text or as JSON."""

import logging
import sys
import threading
from types import TracebackType
from typing import Any, Final

from ratchet_server.log_throttle import OneLine, Ration
from ratchet_server.settings import LogFormat, LogLevel

_OURS: Final = __name__.partition(".")[0]
# These libraries log every connection and every request.
_TALKATIVE: Final = ("sanic", "websockets", "httpx")

_log = logging.getLogger(_OURS)


def to_stderr(form: LogFormat = "text", least: LogLevel = "info") -> None:
    """Log what has at least this level, and of talkative libraries only what went wrong."""
    level = logging.getLevelNamesMapping()[least.upper()]
    handler = logging.StreamHandler()
    handler.addFilter(Ration())
    handler.setFormatter(_formatter(form))
    # Only our own code may log for debugging: some libraries would log headers, with the secret.
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler])
    if level < logging.INFO:
        _log.setLevel(level)
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
    if form == "json":
        _log_what_python_prints()


def as_line(text: str, form: LogFormat, level: int = logging.INFO) -> str:
    """`text` as a line of a log of this form, for a line that is printed whatever the level is."""
    if form == "text":
        return text
    return _formatter(form).format(logging.LogRecord(_OURS, level, "", 0, text, None, None))


def _formatter(form: LogFormat) -> logging.Formatter:
    if form == "text":
        return OneLine("%(asctime)s %(levelname)s %(message)s")
    # Only here: most commands need none of it.
    from ratchet_server.logs.json_line import JsonLine

    return JsonLine()


def _log_what_python_prints() -> None:
    """Log the warnings and tracebacks that Python would print: they are not JSON."""
    logging.captureWarnings(True)

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        _log.critical("this process ends: %r", error, exc_info=(kind, error, trace))

    def in_a_thread(args: threading.ExceptHookArgs) -> None:
        _log.error("a thread has failed: %r", args.exc_value, exc_info=args.exc_value)

    def unraisable(args: Any) -> None:
        _log.error("%s: %r", args.err_msg or "ignored", args.object, exc_info=args.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_a_thread, unraisable
