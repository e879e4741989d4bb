"""What `ratchet status` and `ratchet retire NAME --check` print: a cluster's state at one look."""

import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TextIO

from ratchet_server.operator.advice import split
from ratchet_server.operator.humanize import counted, duration, listed, number

State = Mapping[str, Any]

# What a word on the page means to somebody who has never read the design.
_MEANINGS: Final = (
    ("slot", "the views that one start of a node has counted; name@number tells the starts apart"),
    ("row", "one change of one video's count in a slot; they are numbered, and nodes send them on"),
    (
        "lacks",
        "rows it has not said to have; it says so once a second, so a few are always on the way",
    ),
    ("closed", "counts no more: its node was started anew, left, or was retired"),
    ("lifting", "closed, and just being added to the base, bit by bit"),
    ("folded", "added to the base and gone as a slot; its views stay"),
    ("base", "the views of all slots that have been folded"),
)
_NODE_STATES: Final = {
    "starting": "starting: it takes views, and refuses reads until it has what the others have",
    "serving": "serving",
    "draining": "stopping: it takes no more views, and hands over; it means to come back",
    "leaving": "leaving for good: it takes no more views, hands over and closes its slot",
    "superseded": "superseded: a newer process has its name; this one hands over and stops",
}
# Nodes say once a second what they have. On a busy cluster each lacks what was counted since; more
# than that is worth a word.
FAR_BEHIND: Final = 10_000
_BOLD, _DIM, _RED, _YELLOW, _GREEN = 1, 2, 31, 33, 32
_STATE_COLOURS: Final = {"here": _GREEN, "connected": _GREEN, "heard": _YELLOW, "missing": _RED}
_GAP: Final = "  "
WIDTH: Final = 96


def wants_colour(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` (stdout) is a terminal whose owner wants colour (see no-color.org)."""
    return (
        (stream or sys.stdout).isatty()
        and not environ.get("NO_COLOR")
        and environ.get("TERM") != "dumb"
    )


def report(state: State, *, colour: bool = False) -> str:
    """The answer of `/api/cluster` as text. Raises `KeyError` or `TypeError` if it isn't one."""
    state, paint = _printable(state), _Paint(colour)
    parts = [
        _headline(state, paint),
        _members(state, paint),
        _slots(state, paint),
        _waiting(state, paint),
        _folded(state, paint),
        _to_do(state, paint),
        _meanings(paint),
    ]
    return "\n\n".join(filter(None, parts))


def stakes(
    answer: State, *, via: str | None = None, done: bool = False, colour: bool = False
) -> str:
    """The answer of `/api/cluster/retire` as text: what each node holds of the name and what is at
    stake. `done`: it was not only a check. `via`: the node that was asked, for the command."""
    answer, paint = _printable(answer), _Paint(colour)
    node, slots = answer["node"], answer["slots"]
    title = f"{node} is retired." if done else f"What it would mean to retire {node}. (Not done.)"
    if slots:
        rows = [[_Cell("slot"), _Cell("views"), _Cell("rows"), _Cell("who has them on disk")]]
        held = _table(rows + [_stake(slot) for slot in slots], paint, right={1, 2})
    else:
        held = f"  {node} has no slot that isn't folded already: nothing is at stake."
    after = (
        "Its slots are folded into the base by themselves, once every node has said that it has "
        "the same rows of them."
        if done
        else f"If {node} is only away for a while, leave it: nothing is lost by waiting. No view "
        "is ever counted twice, whether it comes back or not."
    )
    parts = [
        paint(title, _BOLD),
        f"{paint(f'WHAT IS KNOWN OF {node}', _BOLD)}\n{held}",
        _wrapped(answer["advice"]),
        _wrapped(after),
        _advised(f"To do it: ratchet retire {node} --via {via}", paint) if via and not done else "",
    ]
    return "\n\n".join(filter(None, parts))


# -- the parts of a report -----------------------------------------------------------------


def _headline(state: State, paint: "_Paint") -> str:
    members = state["members"]
    missing = [m["node"] for m in members if m["state"] == "missing"]
    behind = [m["node"] for m in members if (m["behind"] or 0) >= FAR_BEHIND]
    if missing:
        verdict, mood = f"{listed(missing)} can't be heard", _RED
    elif state["advice"]:
        verdict, mood = "something needs a look", _YELLOW
    else:
        verdict, mood = "all is well", _GREEN
    if state["advice"]:
        verdict += ": what to do stands below"
    if behind:
        verdict += f"; {listed(behind)} still fetching what it missed"
    how = _NODE_STATES.get(state["state"], state["state"])
    where = f"counts in slot {state['slot']}" if state["slot"] else "its slot isn't open yet"
    names = {m["node"] for m in members}
    cluster = f"{counted(len(names), 'node')}; {verdict}."
    return f"{paint(cluster, _BOLD, mood)}\nSeen from {state['node']}, which is {how}; {where}."


def _members(state: State, paint: "_Paint") -> str:
    now = state["time"]
    rows = [[_Cell(text) for text in ("node", "", "it lacks", "we lack", "address")]]
    for member in state["members"]:
        here = member["state"] == "here"
        known = member["state"] in {"here", "connected"}
        how = _member_state(member, now)
        rows.append(
            [
                _Cell(member["node"], _BOLD),
                _Cell(how, _STATE_COLOURS.get(member["state"], _YELLOW)),
                _lag(None if here else member["behind"], known, here),
                _lag(None if here else member["ahead"], known, here),
                _Cell(member["url"] or "", _DIM),
            ]
        )
    return f"{paint('MEMBERS', _BOLD)}\n{_table(rows, paint, right={2, 3})}"


def _member_state(member: State, now: float) -> str:
    since = "" if member["since"] is None else f" for {duration(now - member['since'])}"
    match member["state"]:
        case "here":
            return f"this node{since and ', up'}{since}"
        case "connected":
            return f"connected{since}"
        case "heard":
            return "alive, but not connected to this node"
        case "missing":
            return f"NOT HEARD{since}"
        case other:
            return str(other)


def _lag(rows: int | None, known: bool, here: bool) -> "_Cell":
    if here:
        return _Cell("")
    if rows is None or not known:
        return _Cell("not known", _YELLOW)
    if not rows:
        return _Cell("nothing", _GREEN)
    return _Cell(counted(rows, "row"), _YELLOW if rows >= FAR_BEHIND else None)


def _slots(state: State, paint: "_Paint") -> str:
    slots = state["slots"]
    if not slots:
        return f"{paint('SLOTS', _BOLD)}\n  none is open yet, and none is left from before"
    heads = ("slot", "state", "videos", "views", "rows", "who has all of them on disk")
    rows = [[_Cell(text) for text in heads]]
    # Those of members that can tell; of the others nobody knows.
    telling = [m["node"] for m in state["members"] if m["state"] in {"here", "connected"}]
    for slot in slots:
        closed = slot["state"] != "open"
        since = f" for {duration(state['time'] - slot['since'])}" if slot["since"] else ""
        said, mood = _holders(slot, telling)
        rows.append(
            [
                _Cell(slot["slot"], _DIM if closed else None),
                _Cell(f"{slot['state']}{since}", _YELLOW if closed else _GREEN),
                _Cell(number(slot["videos"])),
                _Cell(number(slot["views"])),
                _Cell(number(slot["upto"])),
                _Cell(said, mood),
            ]
        )
    return f"{paint('SLOTS', _BOLD)}\n{_table(rows, paint, right={2, 3, 4})}"


def _holders(slot: State, telling: Iterable[str]) -> tuple[str, int | None]:
    """Who has all of a slot, and who lacks how much."""
    if slot["state"] == "lifting":
        return "on its way into the base", _YELLOW
    held = {node: slot["held"].get(node, 0) for node in dict.fromkeys(telling)}
    top = max([slot["upto"], *held.values()])
    full = [node for node, upto in held.items() if upto >= top]
    lacking = [f"{node} lacks {number(top - upto)}" for node, upto in held.items() if upto < top]
    if not lacking:
        return (f"all {len(full)} of us" if len(full) > 2 else listed(full)), _GREEN
    far = top - min(held.values()) >= FAR_BEHIND
    return f"{listed(full)}; {listed(lacking, 3)}", _YELLOW if far else None


def _waiting(state: State, paint: "_Paint") -> str:
    """The closed slots, and what keeps them from being folded."""
    lines = [paint("CLOSED, WAITING TO BE FOLDED", _BOLD)]
    for fold in state["folds"]:
        slots = counted(fold["slots"], "slot")
        lines.append(f"  {slots} of {fold['node']}, up to {fold['node']}@{fold['generation']}")
        lines += [
            paint(
                _wrapped(obstacle["text"], "    ", "- "),
                _DIM if obstacle["kind"] == "grace" else _YELLOW,
            )
            for obstacle in fold["obstacles"]
        ]
        if not fold["obstacles"]:
            lines.append("    nothing is in the way: it is about to happen")
    return "\n".join(lines) if state["folds"] else ""


def _folded(state: State, paint: "_Paint") -> str:
    base, folded = state["base"], state["folded"]
    text = f"{counted(base['views'], 'view')} of {counted(base['videos'], 'video')}"
    if folded:
        names = [f"{f['node']} up to {f['generation']}" for f in folded]
        text += f", from the slots of {listed(names, 8)}"
    return f"{paint('FOLDED INTO THE BASE', _BOLD)}\n  {text}"


def _to_do(state: State, paint: "_Paint") -> str:
    if not state["advice"]:
        return paint("Nothing to do.", _GREEN)
    lines = [paint("WHAT TO DO", _BOLD, _RED)]
    for n, text in enumerate(state["advice"], start=1):
        lines.append(_advised(text, paint, "  ", f"{n}. "))
    return "\n".join(lines)


def _advised(text: str, paint: "_Paint", indent: str = "", mark: str = "") -> str:
    """Advice with its command on a line of its own, to be copied."""
    said, command = split(text)
    lines = [_wrapped(said, indent, mark)]
    if command:
        lines.append(f"{indent}{' ' * len(mark)}  {paint(command, _BOLD)}")
    return "\n".join(lines)


def _meanings(paint: "_Paint") -> str:
    width = max(len(word) for word, _ in _MEANINGS)
    return "\n".join(paint(f"  {word:{width}}  {text}", _DIM) for word, text in _MEANINGS)


# -- the parts of a retirement -------------------------------------------------------------


def _stake(slot: State) -> "list[_Cell]":
    held, said = slot["held"], slot["said"]
    top = max([said or 0, *held.values()])
    who = [node if upto >= top else f"{node} ({number(upto)} of them)"
           for node, upto in sorted(held.items(), key=lambda item: -item[1])]  # fmt: skip
    lost = not held or max(held.values()) < top
    return [
        _Cell(slot["slot"]),
        _Cell(number(slot["views"])),
        _Cell(number(top)),
        _Cell(listed(who, 8), _RED if lost else _GREEN),
    ]


# -- tables and colour ---------------------------------------------------------------------


class _Cell(NamedTuple):
    text: str
    style: int | None = None


class _Paint:
    """Colours text for a terminal, or leaves it as it is."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, *styles: int | None) -> str:
        codes = ";".join(str(style) for style in styles if style is not None)
        return f"\033[{codes}m{text}\033[0m" if self._on and codes else text


def _table(rows: Sequence[Sequence[_Cell]], paint: _Paint, *, right: Iterable[int]) -> str:
    """Aligned columns; the first row is their heads; those in `right` end in line."""
    widths = [max(len(row[at].text) for row in rows) for at in range(len(rows[0]))]
    heads, *lines = rows
    table = [[_Cell(head.text, _DIM) for head in heads], *lines]
    return "\n".join(
        (
            "  "
            + _GAP.join(
                paint(cell.text.rjust(width) if at in right else cell.text.ljust(width), cell.style)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        ).rstrip()
        for row in table
    )


def _wrapped(text: str, indent: str = "", mark: str = "") -> str:
    """`text` in lines, indented; the first begins with `mark`, the others stand beneath it."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent + mark,
        subsequent_indent=indent + " " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _printable(said: Any) -> Any:
    """`said` without what could command a terminal: some of it comes from other machines."""
    match said:
        case str():
            return "".join(c for c in said if c.isprintable())
        case dict():
            return {_printable(key): _printable(value) for key, value in said.items()}
        case list():
            return [_printable(value) for value in said]
        case _:
            return said
