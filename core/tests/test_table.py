"""A table gives out everything that it holds, and a table that takes it in is the same."""

from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet.table import Table

A, OLD = Slot("a", 5), Slot("old", 1)
KEPT = Changes(
    columns=(
        ColumnChange(A, 9, tuple(Row(f"video-{n}", n, n) for n in range(1, 10))),
        # Folded, and not all of it is lifted.
        ColumnChange(OLD, 2, (Row("moss", 4, 2),)),
    ),
    base=(("moss", 3), ("tide", 2**53 - 1)),
    newest={"a": 5, "old": 1},
    closed={"a": 4, "old": 1},
    folded={"old": 1},
    lifted_views={"old": 7},
)


def test_everything_in_a_table_makes_the_same_table() -> None:
    table, again = Table(), Table()
    table.restore(KEPT)
    parts = [*table.everything(limit=4)]
    assert max(sum(len(rows) for _, _, rows in part.columns) for part in parts) == 4
    for part in parts:
        again.restore(part)
    assert again.fingerprint() == table.fingerprint()
    assert again.lifting.keys() == table.lifting.keys() == {OLD}
    assert again.complete(A) == 9
    for name in ("newest", "closed", "folded", "lifted_views"):
        assert getattr(again, name) == getattr(table, name)
