"""A cursor: a place in the changes of all counts, at which a reader may go on, at any node.

Each slot numbers its changes. So the place is the number of the last change of each slot that the
reader has. It stays valid until a slot is folded: the base does not number its changes. So the
cursor also has a hash of the base, and a reader whose cursor has another one starts anew.

The rows of an import have several writers, and two of them may number other rows alike. So instead
of a number, the cursor has the fingerprint of the rows that the reader has. A reader whose cursor
has another one gets all rows of the import.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple, Self

from ratchet import names
from ratchet.column import Column
from ratchet.names import Invalid
from ratchet.slot import Slot
from ratchet.table import Table


class TooOld(Exception):
    """Slots were folded since: nobody can tell what has changed."""


class Cursor(NamedTuple):
    """`str` gives ``<hash>.a@17:42,b@23:7``, which a header can hold."""

    base: str
    # For each slot, the number of the last change; for an import, the fingerprint of its rows.
    places: Mapping[Slot, int]

    @classmethod
    def now(cls, table: Table) -> Self:
        """The cursor of a reader that has everything."""
        return cls(_base(table), {slot: _place(each) for slot, each in table.columns.items()})

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor whose `str` is `text`. Raises `Invalid`."""
        base, dot, places = text.partition(".")
        try:
            if not dot:
                raise ValueError
            pairs = [part.rsplit(":", 1) for part in places.split(",") if part]
            return cls(base, {Slot.parse(s): names.natural(int(n[:17])) for s, n in pairs})
        except ValueError:
            raise Invalid("this is no id of an event") from None

    def __str__(self) -> str:
        places = ",".join(f"{slot}:{place}" for slot, place in sorted(self.places.items()) if place)
        return f"{self.base}.{places}"

    def is_too_old(self, table: Table) -> bool:
        """Whether slots were folded since."""
        return self.base != _base(table)

    def changed(self, table: Table, limit: int) -> Iterator[list[str]]:
        """The videos that have changed since, at most `limit` at once; some may come twice. The
        table may change while the iterator is used. Raises `TooOld`."""
        if self.is_too_old(table):
            raise TooOld
        for slot, whole in list(table.columns.items()):
            seq, more = self.places.get(slot, 0), True
            if names.is_import(slot.node):
                seq, more = 0, seq != _place(whole)
            while more:
                column = table.columns.get(slot)
                if column is None:
                    raise TooOld
                rows, more = column.above(seq, limit)
                if rows:
                    seq = rows[-1].seq
                    yield [row.video for row in rows]


def _place(column: Column) -> int:
    is_import = names.is_import(column.slot.node)
    return column.fingerprint % names.MAX_COUNT if is_import else column.complete


def _base(table: Table) -> str:
    # A node that was away has folded the same as the others, and for a while has less in its base.
    text = ",".join(sorted(f"{node}@{n}" for node, n in table.folded.items()))
    return sha256(f"{text},{table.base.fingerprint}".encode()).hexdigest()[:16]
