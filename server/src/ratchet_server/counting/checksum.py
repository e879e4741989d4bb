"""The checksum of a row. SQL calls `crc` and `intact`; `schema` has the statements."""

from collections.abc import Sequence
from typing import Any
from zlib import crc32


def crc(*values: str | int) -> int:
    """The checksum of `values`."""
    return crc32(repr(values).encode())


def all_intact(
    rows: Sequence[tuple[Any, ...]], before: tuple[int, ...], skipped: int
) -> list[tuple[Any, ...]]:
    """The rows that have their checksum: their last value is that of `before` and of their other
    values, but for the first `skipped` ones. At least two values are checked."""
    if not rows:
        return []
    # A format with all that is the same in each row: `crc` takes nearly twice as long.
    same = [repr(value) for value in before]
    form = f"({', '.join(same + ['%r'] * (len(rows[0]) - skipped - 1))})"
    return [row for row in rows if crc32((form % row[skipped:-1]).encode()) == row[-1]]


def intact(written: int, *values: str | int) -> bool:
    """True if `values` have the checksum `written`. Raises `ValueError` if not."""
    if written != crc(*values):
        raise ValueError(values)
    return True
