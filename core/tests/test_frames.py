"""Frames: one whose parts contradict each other can't be built, so it can't be sent either."""

import pytest
from ratchet.column import Row
from ratchet.frames import MAX_ROWS, BaseRows, Digest, Rows
from ratchet.generations import Generations
from ratchet.names import Invalid
from ratchet.slot import Slot

A = Slot("a", 7)
NONE = Generations()


def test_rows_are_in_the_order_of_seq() -> None:
    with pytest.raises(Invalid, match="row 4 is out of order after 5"):
        Rows(A, 0, 9, False, (Row("tide", 1, 5), Row("moss", 1, 4)))


def test_rows_of_two_videos_may_have_one_seq() -> None:
    # A process whose memory was set back has numbered other changes with seqs that it had used.
    assert Rows(A, 0, 9, False, (Row("tide", 1, 5), Row("moss", 1, 5)))
    with pytest.raises(Invalid, match="row 5 is out of order after 5"):
        Rows(A, 0, 9, False, (Row("tide", 1, 5), Row("moss", 1, 5), Row("tide", 2, 5)))


def test_rows_stand_above_their_start() -> None:
    with pytest.raises(Invalid, match="row 3 is out of order after 3"):
        Rows(A, 3, 9, False, (Row("tide", 1, 3),))


def test_a_frame_without_rows_does_not_say_that_more_follow() -> None:
    with pytest.raises(Invalid, match="more follow"):
        Rows(A, 0, 9, True, ())


def test_a_frame_holds_a_thousand_rows_and_not_one_more() -> None:
    rows = tuple(Row(f"v{seq}", 1, seq) for seq in range(1, MAX_ROWS + 2))
    assert Rows(A, 0, 9, False, rows[:-1])
    with pytest.raises(Invalid, match="1001 rows"):
        Rows(A, 0, 9, False, rows)
    with pytest.raises(Invalid, match="1001 rows"):
        BaseRows(NONE, 0, 1, tuple((row.video, row.views) for row in rows))


@pytest.mark.parametrize(
    ("newest", "closed", "folded"),
    [
        (Generations(a=7), Generations(a=3), Generations(a=4)),
        (Generations(a=7), NONE, Generations(a=4)),
        (Generations(a=3), Generations(a=4), NONE),
        (NONE, Generations(a=4), NONE),
    ],
)
def test_folded_slots_are_closed_and_closed_slots_are_known(
    newest: Generations, closed: Generations, folded: Generations
) -> None:
    with pytest.raises(Invalid, match="a@4"):
        Digest(A, {}, newest, closed, folded, {}, None, {})
