"""The journal: views that are answered before they are on disk, and what a transaction holds."""

import pytest
from ratchet.changes import Changes
from ratchet.column import Row
from ratchet.journal import Journal
from ratchet.slot import Slot
from ratchet.table import Table
from small_world import TIDE

A = Slot("a", 7)


def _journal() -> tuple[Table, Journal]:
    """The table and the journal of a process that counts in A."""
    table = Table()
    journal = Journal(table, max_lifted=100)
    journal.join({"a": 7})
    table.column(A)
    changes = journal.begin(A)
    assert changes
    journal.written(changes)
    return table, journal


def _begin(journal: Journal) -> Changes:
    changes = journal.begin(A)
    assert changes
    return changes


class TestAnsweredViews:
    def test_are_shown_at_once_and_are_in_the_table_only_when_they_are_on_disk(self) -> None:
        table, journal = _journal()
        journal.count(TIDE, 2, answered=True)
        journal.count(TIDE, 1, answered=False)
        assert (journal.shown(TIDE), journal.waiting(TIDE), table.value(TIDE)) == (2, 3, 0)
        changes = _begin(journal)
        assert (journal.shown(TIDE), journal.waiting(TIDE), table.value(TIDE)) == (2, 3, 0)
        journal.written(changes)
        assert (journal.shown(TIDE), journal.waiting(TIDE), table.value(TIDE)) == (3, 0, 3)

    def test_are_kept_when_the_changes_are_aborted_and_the_others_are_not(self) -> None:
        table, journal = _journal()
        journal.count(TIDE, 2, answered=True)
        journal.count(TIDE, 1, answered=False)
        journal.unwritten(_begin(journal))
        assert (journal.shown(TIDE), journal.waiting(TIDE)) == (2, 2)
        changes = _begin(journal)
        assert changes.columns[0].rows == (Row(TIDE, 2, 1),)
        journal.written(changes)
        assert table.value(TIDE) == 2

    def test_that_come_while_others_are_written_wait_for_the_next_write(self) -> None:
        table, journal = _journal()
        journal.count(TIDE, 1, answered=True)
        changes = _begin(journal)
        journal.count(TIDE, 4, answered=True)
        assert journal.shown(TIDE) == 5
        journal.written(changes)
        assert (journal.shown(TIDE), table.value(TIDE)) == (5, 1)

    def test_wait_while_no_slot_is_open(self) -> None:
        journal = Journal(Table(), max_lifted=100)
        journal.count(TIDE, 1, answered=True)
        assert journal.begin(None) is None
        assert journal.shown(TIDE) == 1


class TestATransaction:
    def test_begins_only_when_the_last_has_ended(self) -> None:
        _, journal = _journal()
        journal.count(TIDE, 1, answered=False)
        _begin(journal)
        with pytest.raises(AssertionError, match="before the last ones"):
            journal.begin(A)

    def test_is_ended_only_by_its_own_changes(self) -> None:
        _, journal = _journal()
        journal.count(TIDE, 1, answered=False)
        _begin(journal)
        with pytest.raises(AssertionError, match="not the ones being written"):
            journal.written(Changes())

    def test_holds_only_the_newest_row_of_a_video(self) -> None:
        _, journal = _journal()
        b = Slot("b", 1)
        for seq in (1, 2, 3):
            journal.merge_rows(b, [Row(TIDE, seq, seq)], seq)
        (change,) = _begin(journal).columns
        assert (change.complete, change.rows) == (3, (Row(TIDE, 3, 3),))

    def test_without_anything_to_write_is_none(self) -> None:
        _, journal = _journal()
        assert journal.begin(A) is None
