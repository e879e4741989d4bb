"""What the data of a node has, in words."""

from collections.abc import Iterator
from typing import Final

from ratchet.table import Table

from ratchet_server.counting.plan import columns_of

BASE: Final = "base"


def contents(table: Table) -> Iterator[str]:
    """A line for each slot, and one for the base."""
    slots = columns_of(table)
    width = max((len(str(slot)) for slot in slots), default=0)
    for slot, column in sorted(slots.items(), key=lambda each: each[0]):
        state = "closed" if table.is_closed(slot) else "open"
        if slot in table.lifting:
            state = "on its way into the base"
        yield f"  {slot!s:{width}}  {counted(column.total, len(column))}, {state}"
    total = sum(views for _, views in table.base)
    yield f"  {BASE:{width}}  {counted(total, len(table.base))}"


def counted(views: int, videos: int) -> str:
    """So many views of so many videos."""
    return f"{_many(views, 'view')} of {_many(videos, 'video')}"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
