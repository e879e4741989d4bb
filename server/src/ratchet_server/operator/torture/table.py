"""The table: one line a fault, with all its verdicts added up; or one verdict alone."""

from collections.abc import Mapping, Sequence
from typing import Final

from ratchet_server.operator.terminal import GREEN, RED, Cell, Paint, table
from ratchet_server.operator.torture.judge import Verdict

HEADS: Final = (
    "fault", "times", "answered", "unsure", "pending", "final", "lost", "double", "",
)  # fmt: skip


def lines(verdicts: Mapping[str, Sequence[Verdict]], paint: Paint) -> str:
    """The table of the verdicts of each fault."""
    rows = [
        [Cell(fault), Cell(str(len(given))), *_numbers(given)] for fault, given in verdicts.items()
    ]
    return table(HEADS, rows, paint, right=range(1, 8))


def line(verdict: Verdict, paint: Paint) -> str:
    """The table of one verdict."""
    return table(HEADS[2:], [_numbers([verdict])], paint, right=range(6))


def _numbers(verdicts: Sequence[Verdict]) -> list[Cell]:
    def sum_of(column: str) -> int:
        return sum(getattr(verdict, column) for verdict in verdicts)

    wrong = any(verdict.problems for verdict in verdicts)
    bad = [(number, RED if number else None) for number in map(sum_of, HEADS[6:8])]
    return [
        *(Cell(str(number)) for number in map(sum_of, HEADS[2:6])),
        *(Cell(str(number), style) for number, style in bad),
        Cell("wrong", RED) if wrong else Cell("right", GREEN),
    ]
