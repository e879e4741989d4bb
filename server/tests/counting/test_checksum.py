"""Checksums of rows: one by one as SQL asks for them, and of many as a node that starts does."""

from hypothesis import given
from hypothesis import strategies as st
from ratchet_server.counting.checksum import all_intact, crc

VALUES = st.integers(-(2**63), 2**63 - 1) | st.text()
ROWS = st.integers(2, 6).flatmap(lambda n: st.lists(st.tuples(*[VALUES] * n), min_size=1))


@given(ROWS, st.tuples() | st.tuples(st.integers()), st.integers(0, 1))
def test_of_many_rows_they_are_the_same(
    rows: list[tuple[str | int, ...]], before: tuple[int, ...], skipped: int
) -> None:
    skipped = min(skipped, len(before) + len(rows[0]) - 2)
    written = [(*row, crc(*before, *row[skipped:])) for row in rows]
    wrong = [(*row, -1) for row in rows]
    assert all_intact(written, before, skipped) == written
    assert all_intact(wrong, before, skipped) == []


def test_of_no_rows_there_are_none() -> None:
    assert all_intact([], (), 0) == []
