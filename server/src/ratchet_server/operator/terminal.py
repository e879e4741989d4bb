"""A terminal: colours, tables and wrapped text, without control characters from other machines.

The library rich does the same with three packages of 13 MB, and takes as long to load as
`ratchet status` takes in all.
"""

import os
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TextIO

from ratchet_server.output import say

BOLD, DIM, RED, YELLOW, GREEN = 1, 2, 31, 33, 32
WIDTH: Final = 96
_GAP: Final = "  "
# How often a progress is shown.
_SHOW_S: Final = 0.1


class Cell(NamedTuple):
    """One of a table's cells. `style`: an SGR code."""

    text: str
    style: int | None = None


class Paint:
    """Colours text for a terminal, or leaves it as it is."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, *styles: int | None) -> str:
        codes = ";".join(str(style) for style in styles if style is not None)
        return f"\033[{codes}m{text}\033[0m" if self._on and codes else text


def wants_colour(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` (stdout) is a terminal whose owner wants colour (see no-color.org)."""
    stream = stream or sys.stdout
    return bool(
        # Python has no stdout if it was closed at the start.
        stream and stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    )


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Cell]], paint: Paint, *, right: Collection[int]
) -> str:
    """A table with aligned columns; the columns in `right` are aligned to the right. A row with a
    red cell begins with a mark: some terminals show no colours, and some people don't see them."""
    lines = [[Cell(head, DIM) for head in heads], *rows]
    widths = [max(len(line[at].text) for line in lines) for at in range(len(heads))]
    return "\n".join(
        (
            ("! " if any(cell.style == RED for cell in line) else "  ")
            + _GAP.join(
                paint(cell.text.rjust(width) if at in right else cell.text.ljust(width), cell.style)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
        ).rstrip()
        for line in lines
    )


def wrapped(text: str, indent: str = "", mark: str = "") -> str:
    """`text` in indented lines. The first begins with `mark`; the others are indented past it."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent + mark,
        subsequent_indent=indent + " " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def note(text: str) -> None:
    """Show what happens just now, to a person who waits at a terminal."""
    if sys.stderr and sys.stderr.isatty():
        say(text, to=sys.stderr)


def megabytes(done: int, total: int) -> str:
    """How many bytes of `total` have come; 0: nobody knows how many there are."""
    part = f" of {total / 1e6:,.1f} MB, {done / total:.0%}" if total else " MB"
    return f"{done / 1e6:,.1f}{part}"


@contextmanager
def progress(
    total: int, words: Callable[[int, int], str] = megabytes
) -> Iterator[Callable[[int], None]]:
    """A function that is told how many have come. A terminal shows, in `words`, how many of `total`
    that are in all."""
    stream = sys.stderr
    shows = bool(stream and stream.isatty())
    done, shown_at = 0, 0.0

    def came(many: int) -> None:
        nonlocal done, shown_at
        done += many
        if shows and time.monotonic() - shown_at > _SHOW_S:
            shown_at = time.monotonic()
            stream.write(f"\r{words(done, total)} \033[K")
            stream.flush()

    try:
        yield came
    finally:
        if shown_at:
            stream.write("\r\033[K")
            stream.flush()


def printable(value: Any) -> Any:
    """`value` without control characters: some of its text comes from other machines, and must not
    control the terminal."""
    match value:
        case str():
            return "".join(c for c in value if c.isprintable())
        case dict():
            return {printable(key): printable(item) for key, item in value.items()}
        case list():
            return [printable(item) for item in value]
        case _:
            return value
