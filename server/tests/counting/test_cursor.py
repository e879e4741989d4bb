"""A cursor says what its reader lacks, also where two nodes have numbered changes alike."""

import pytest
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet.table import Table
from ratchet_server.counting.cursor import Cursor, TooOld

IMPORT = Slot("import-old", 17)


def table(*rows: Row, slot: Slot = IMPORT) -> Table:
    """A table with these rows of one slot."""
    made = Table()
    take(made, *rows, slot=slot)
    return made


def take(into: Table, *rows: Row, slot: Slot = IMPORT) -> None:
    """Merge these rows, which are all that there are."""
    column = into.column(slot)
    column.merge(rows)
    column.complete = max(column.complete, *(row.seq for row in rows))


def lacks(at: Table, text: str) -> set[str]:
    """The videos that a reader with this id gets from a node with this table."""
    return {video for part in Cursor.parse(text).changed(at, 2) for video in part}


class TestAnImport:
    """Any node takes its rows, and gives them the next numbers."""

    def test_has_all_that_another_node_has_brought_under_the_same_numbers(self) -> None:
        a, b = table(Row("tide", 40, 1)), table(Row("moss", 2, 1))
        has_a = str(Cursor.now(a))
        assert lacks(a, has_a) == set()
        assert lacks(b, has_a) == {"moss"}
        take(a, Row("moss", 2, 1))
        assert "moss" in lacks(a, has_a)
        assert lacks(a, str(Cursor.now(a))) == set()

    def test_is_sent_once_although_its_rows_are_numbered_in_another_order(self) -> None:
        a = table(Row("tide", 40, 1), Row("moss", 2, 2), Row("loom", 7, 3))
        b = table(Row("loom", 7, 1), Row("tide", 40, 2), Row("moss", 2, 3))
        assert lacks(b, str(Cursor.now(a))) == set()
        assert lacks(b, str(Cursor.now(Table()))) == {"tide", "moss", "loom"}


class TestABase:
    def test_that_has_grown_by_no_fold_makes_a_cursor_too_old(self) -> None:
        """As when a node was away, and others have folded meanwhile what it has not."""
        at = Table()
        at.join({"a": 17}, {"a": 17}, {"a": 17})
        at.base.merge([("tide", 40)])
        before = str(Cursor.now(at))
        assert lacks(at, before) == set()
        at.base.merge([("tide", 41)])
        with pytest.raises(TooOld):
            lacks(at, before)
