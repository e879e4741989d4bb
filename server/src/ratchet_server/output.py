"""Prints a command's output. If stdout fails, the command still ends with the right exit code.

Stdout may be a pipe whose reader is gone, or a file on a full disk. By default, Python would end
the command with a traceback. And at exit it would flush its buffers, fail again, and replace the
exit code.
"""

import os
import sys
from contextlib import suppress
from typing import TextIO


class OutputError(Exception):
    """The answer can't be written. The message says why."""


def say(text: str, *, to: TextIO | None = None) -> None:
    """Print something that may get lost: the work is done, and the exit code reports it. `to`:
    stdout by default."""
    with suppress(OutputError):
        _print(text, to or sys.stdout)


def answer(text: str) -> None:
    """Print the result that the user has called the command for. Raises `OutputError`, except when
    the reader has closed the pipe: `head` does so when it has read enough."""
    try:
        _print(text, sys.stdout)
    except OutputError as error:
        if not isinstance(error.__cause__, BrokenPipeError):
            raise


def finish() -> None:
    """Flush the buffers, or drop what can't be written. Otherwise Python would fail to flush them
    at exit, and end with exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OutputError):
            _print("", stream, end="")


def _print(text: str, stream: TextIO | None, end: str = "\n") -> None:
    if stream is None:  # The stream was already closed when Python started.
        return
    try:
        print(text, file=stream, end=end, flush=True)
    except OSError as error:
        _mute(stream)
        raise OutputError(f"can't write the answer: {error.strerror}") from error


def _mute(stream: TextIO) -> None:
    """Redirect the stream to /dev/null: its buffer still has the text that could not be written."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
