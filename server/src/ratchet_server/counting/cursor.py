"""A cursor: a place in the changes of all counts, at which a reader may go on, at any node.

Each slot numbers its changes. So the place is the number of the last change of each slot that the
reader has. It stays valid until a slot is folded: the base does not number its changes. So the
cursor also has a hash of what is folded, and a reader whose cursor has another one starts anew.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple, Self

from ratchet import names
from ratchet.names import Invalid
from ratchet.slot import Slot
from ratchet.table import Table


class TooOld(Exception):
    """Slots were folded since: nobody can tell what has changed."""


class Cursor(NamedTuple):
    """`str` gives ``<hash>.a@17:42,b@23:7``, which a header can hold."""

    folded: str
    seqs: Mapping[Slot, int]

    @classmethod
    def now(cls, table: Table) -> Self:
        """The cursor of a reader that has everything."""
        return cls(_folded(table), {slot: each.complete for slot, each in table.columns.items()})

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor whose `str` is `text`. Raises `Invalid`."""
        folded, dot, seqs = text.partition(".")
        try:
            if not dot:
                raise ValueError
            pairs = [part.rsplit(":", 1) for part in seqs.split(",") if part]
            return cls(folded, {Slot.parse(s): names.natural(int(seq[:17])) for s, seq in pairs})
        except ValueError:
            raise Invalid("this is no id of an event") from None

    def __str__(self) -> str:
        seqs = ",".join(f"{slot}:{seq}" for slot, seq in sorted(self.seqs.items()) if seq)
        return f"{self.folded}.{seqs}"

    def is_too_old(self, table: Table) -> bool:
        """Whether slots were folded since."""
        return self.folded != _folded(table)

    def changed(self, table: Table, limit: int) -> Iterator[list[str]]:
        """The videos that have changed since, at most `limit` at once; some may come twice. The
        table may change while the iterator is used. Raises `TooOld`."""
        if self.is_too_old(table):
            raise TooOld
        for slot in list(table.columns):
            seq, more = self.seqs.get(slot, 0), True
            while more:
                column = table.columns.get(slot)
                if column is None:
                    raise TooOld
                rows, more = column.above(seq, limit)
                if rows:
                    seq = rows[-1].seq
                    yield [row.video for row in rows]


def _folded(table: Table) -> str:
    # Where two nodes have folded the same, they have the same base, or soon will.
    text = ",".join(sorted(f"{node}@{n}" for node, n in table.folded.items()))
    return sha256(text.encode()).hexdigest()[:16]
