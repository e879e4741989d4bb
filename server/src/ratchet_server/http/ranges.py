"""Which part of a file a request asks for: the `Range` header (RFC 9110, 14.1 and 14.2)."""

import re
import sys
from typing import Final

_SPECIFIER: Final = re.compile(r"bytes=(.*)", re.IGNORECASE)
_RANGE: Final = re.compile(r"([0-9]*)-([0-9]*)")
# Longer numbers lie behind the end of every file. Python refuses to parse very long ones.
_DIGITS: Final = 18


class Unsatisfiable(Exception):
    """The request asks only for what lies behind the end of the file."""


def part(header: str, size: int) -> range | None:
    """The positions of the bytes that `header` asks for in a file of `size` bytes. None: send the
    whole file. Raises `Unsatisfiable`.

    A server may send the whole file when the header is invalid, or asks for several parts. The
    node does both: no player asks for several parts.
    """
    specifier = _SPECIFIER.fullmatch(header)
    # No header can name a part of an empty file, and the whole of it is what all parts have.
    if specifier is None or size == 0:
        return None
    # A list may have empty elements (5.6.1).
    elements = [one for element in specifier[1].split(",") if (one := element.strip(" \t"))]
    parts = [_positions(element, size) for element in elements]
    valid = [one for one in parts if one is not None]
    if len(valid) < max(1, len(parts)):
        return None
    within = [one for one in valid if one]
    if not within:
        raise Unsatisfiable
    return within[0] if len(within) == 1 else None


def _positions(element: str, size: int) -> range | None:
    """The positions of one range, none of them if it lies behind the end; None if it is invalid."""
    given = _RANGE.fullmatch(element)
    if given is None or element == "-":
        return None
    first, last = given[1], given[2]
    if not first:
        return range(max(0, size - _number(last)), size)
    if last and _number(last) < _number(first):
        return None
    return range(_number(first), min(size, _number(last) + 1) if last else size)


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else sys.maxsize
