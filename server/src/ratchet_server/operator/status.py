"""What `ratchet status` and `ratchet retire` print: a node's report, laid out for a terminal.

The node provides the words and moods. This module only arranges them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ratchet_server.operator.glossary import GLOSSARY
from ratchet_server.operator.humanize import counted, number
from ratchet_server.operator.terminal import (
    BOLD,
    DIM,
    GREEN,
    RED,
    YELLOW,
    Cell,
    Paint,
    printable,
    table,
    wrapped,
)

State = Mapping[str, Any]

_COLOURS: Final = {"well": GREEN, "look": YELLOW, "act": RED}
# Names come and go for years. The base has room for all of them, but a terminal does not.
_MOST_FOLDED: Final = 8


def report(state: State, *, colour: bool = False) -> str:
    """The response of `/api/cluster` as text. Raises `KeyError` or `TypeError` if `state` has
    another form."""
    state, paint = printable(state), Paint(colour)
    parts = [
        _headline(state, paint),
        _members(state, paint),
        _slots(state["slots"], paint) or _titled("SLOTS", "  none is open yet", paint),
        _folds(state["folds"], paint),
        _folded(state, paint),
        _pending(state, paint),
        _to_do(state["to_do"], paint),
        _glossary(paint),
    ]
    return "\n\n".join(filter(None, parts))


def stakes(
    answer: State, *, via: str | None = None, done: bool = False, colour: bool = False
) -> str:
    """The response of `/api/cluster/retire` as text. Raises as `report` does.

    `via`: the URL of the node that sent it, for the command that retires. `done`: whether the node
    is retired; otherwise it was a check.
    """
    answer, paint = printable(answer), Paint(colour)
    do_it = {"text": "To do it:", "command": f"ratchet retire {answer['node']} --via {via}"}
    parts = [
        _painted(answer["headline"], paint, BOLD),
        _slots(answer["slots"], paint),
        wrapped(answer["advice"]),
        wrapped(answer["then"]),
        _advised(do_it, paint) if via and not done else "",
    ]
    return "\n\n".join(filter(None, parts))


def _headline(state: State, paint: Paint) -> str:
    first = _painted(state["headline"], paint, BOLD)
    # The tables in between may fill a screen.
    below = " What to do stands below." if state["to_do"] else ""
    # An older node does not say of which cluster it is.
    cluster = state.get("cluster", {}).get("text", "")
    return f"{first}{below}\n{wrapped(' '.join([state['here'], cluster]).strip())}"


def _members(state: State, paint: Paint) -> str:
    heads = ("node", "", "it lacks", "we lack", "address")
    rows = [
        [
            Cell(one["node"], BOLD),
            _cell(one["how"]),
            _cell(one["it_lacks"]),
            _cell(one["we_lack"]),
            Cell(one["url"] or "", DIM),
        ]
        for one in state["members"]
    ]
    return _titled("MEMBERS", table(heads, rows, paint, right={2, 3}), paint)


def _slots(slots: Sequence[State], paint: Paint) -> str:
    heads = ("slot", "state", "videos", "views", "rows", "who has all of them on disk")
    rows = [
        [
            Cell(slot["slot"]),
            _cell(slot["how"]),
            Cell(number(slot["videos"])),
            Cell(number(slot["views"])),
            Cell(number(slot["said"])),
            _cell(slot["holders"]),
        ]
        for slot in slots
    ]
    return _titled("SLOTS", table(heads, rows, paint, right={2, 3, 4}), paint) if slots else ""


def _folds(folds: Sequence[State], paint: Paint) -> str:
    lines = []
    for fold in folds:
        lines.append(wrapped(fold["text"], "  "))
        for one in fold["obstacles"]:
            style = DIM if one["mood"] == "well" else _COLOURS.get(one["mood"])
            lines.append(paint(wrapped(one["text"], "    ", "- "), style))
    return _titled("CLOSED, WAITING TO BE FOLDED", "\n".join(lines), paint) if lines else ""


def _folded(state: State, paint: Paint) -> str:
    names = state["folded"]
    lines = [f"  {state['base']['text']}"]
    lines += [f"    {one['text']}" for one in names[:_MOST_FOLDED]]
    if (more := len(names) - _MOST_FOLDED) > 0:
        lines.append(f"    and {counted(more, 'more name')}")
    return _titled("FOLDED INTO THE BASE", "\n".join(lines), paint)


def _pending(state: State, paint: Paint) -> str:
    # An older node has no such views.
    pending = state.get("pending")
    if not pending or not pending["views"]:
        return ""
    how = pending["how"]
    text = paint(wrapped(how["text"], "  "), _COLOURS.get(how["mood"]))
    return _titled("PENDING VIEWS", text, paint)


def _to_do(to_do: Sequence[State], paint: Paint) -> str:
    if not to_do:
        return paint("Nothing to do.", GREEN)
    steps = [_advised(one, paint, "  ", f"{n}. ") for n, one in enumerate(to_do, start=1)]
    return _titled("WHAT TO DO", "\n".join(steps), paint, RED)


def _advised(one: State, paint: Paint, indent: str = "", mark: str = "") -> str:
    """Advice, with its command on a separate line, ready to be copied."""
    lines = [wrapped(one["text"], indent, mark)]
    if command := one["command"]:
        lines.append(f"{indent}{' ' * len(mark)}  {paint(command, BOLD)}")
    return "\n".join(lines)


def _glossary(paint: Paint) -> str:
    width = max(len(word) for word, _ in GLOSSARY)
    return "\n".join(
        paint(wrapped(text, "  ", f"{word:{width}}  "), DIM) for word, text in GLOSSARY
    )


def _titled(title: str, text: str, paint: Paint, style: int | None = None) -> str:
    return f"{paint(title, BOLD, style)}\n{text}"


def _cell(verdict: State) -> Cell:
    return Cell(verdict["text"], _COLOURS.get(verdict["mood"]))


def _painted(verdict: State, paint: Paint, style: int) -> str:
    return paint(verdict["text"], style, _COLOURS.get(verdict["mood"]))
