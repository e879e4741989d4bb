"""Numbers, times and lists in the words that people read."""

from collections.abc import Sequence
from typing import Final

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def number(n: int) -> str:
    """`1234567` as `1,234,567`."""
    return f"{n:,}"


def counted(n: int, one: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number(n)} {one}{'' if n == 1 else 's'}"


def duration(seconds: float) -> str:
    """The two largest units: `2 h 3 min`, `45 s`. A negative time is `0 s`: somebody may have set
    the clock."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break  # `1 d 5 min` would look more exact than it is.
        if len(parts) == 2:
            break
    return " ".join(parts)


def listed(names: Sequence[str], limit: int = 5) -> str:
    """`a, b and c`; of a longer list `a, b, c, d, e and 7 more`."""
    shown = list(names[:limit])
    if more := len(names) - len(shown):
        shown.append(f"{number(more)} more")
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else "nobody"
