"""The table: one line a fault, with all its verdicts added up."""

from collections.abc import Mapping, Sequence
from typing import Final

from ratchet_server.operator.terminal import GREEN, RED, Cell, Paint, table
from ratchet_server.operator.torture.judge import Verdict

HEADS: Final = (
    "fault", "times", "answered", "unsure", "pending", "final", "lost", "double", "",
)  # fmt: skip


def lines(verdicts: Mapping[str, Sequence[Verdict]], paint: Paint) -> str:
    """The table of the verdicts of each fault."""
    rows = [_line(fault, given) for fault, given in verdicts.items()]
    return table(HEADS, rows, paint, right=range(1, 8))


def _line(fault: str, verdicts: Sequence[Verdict]) -> list[Cell]:
    def sum_of(column: str) -> int:
        return sum(getattr(verdict, column) for verdict in verdicts)

    wrong = any(verdict.problems for verdict in verdicts)
    numbers = [len(verdicts), *map(sum_of, HEADS[2:6])]
    bad = [(number, RED if number else None) for number in map(sum_of, HEADS[6:8])]
    return [
        Cell(fault),
        *(Cell(str(number)) for number in numbers),
        *(Cell(str(number), style) for number, style in bad),
        Cell("wrong", RED) if wrong else Cell("right", GREEN),
    ]
