"""What a command prints. A stdout that takes nothing must not undo what the command has done.

It may be a pipe that nobody reads any more, or a file on a full disk. Python would end the command
with a traceback, and even after that change the exit code when it writes what was left over.
"""

import os
import sys
from contextlib import suppress
from typing import TextIO


class OutputError(Exception):
    """The answer can't be written. The message says why."""


def say(text: str, *, to: TextIO | None = None) -> None:
    """Print what the user may as well not read: the work is done, and the exit code tells. `to`:
    stdout, if nothing else is given."""
    with suppress(OutputError):
        _print(text, to or sys.stdout)


def answer(text: str) -> None:
    """Print what the command was called for. Raises `OutputError`; but a reader who has read
    enough, such as `head`, is no error."""
    try:
        _print(text, sys.stdout)
    except OutputError as error:
        if not isinstance(error.__cause__, BrokenPipeError):
            raise


def finish() -> None:
    """Write what is left over, or drop it: Python would end with exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OutputError):
            _print("", stream, end="")


def _print(text: str, stream: TextIO | None, end: str = "\n") -> None:
    if stream is None:  # So Python says that it was closed at the start.
        return
    try:
        print(text, file=stream, end=end, flush=True)
    except OSError as error:
        _mute(stream)
        raise OutputError(f"can't write the answer: {error.strerror}") from error


def _mute(stream: TextIO) -> None:
    """Let the stream lead nowhere: its buffer still has what could not be written."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
