"""`ratchet import`: brings the counts of another program. To do it twice counts nothing twice."""

import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from ratchet_server.client import CallError, Client, Imported, Refused
from ratchet_server.operator.counts_file import Counts, read
from ratchet_server.operator.humanize import counted
from ratchet_server.operator.terminal import note, progress
from ratchet_server.output import say

# As many as a node takes in one call.
_ROWS: Final = 10_000
# How long the nodes may need to agree on a new import.
AGREE_S: Final = 30.0
_ASK_S: Final = 0.5


def run(node: Client, file: Path, name: str) -> None:
    """Send the counts in `file` to `node` as the import `name`. Raises `FileError`, `CallError`."""
    counts = read(file)
    has = f"{counted(counts.views, 'view')} of {counted(len(counts.views_of), 'video')}"
    note(f"{file} has {has}.")
    answer, taken = _call(node, name), False
    if answer.state == "open":
        answer, taken = _send(node, name, counts)
    _check(counts, answer, name, taken=taken)
    say(f"{name}: {has} are imported. They count once, also if you import them again.")
    if counts.without:
        say(f"Left out: {counted(counts.without, 'line')} with 0 views.")


def name_of(file: Path) -> str:
    """What an import is called by default: its file, in the letters of a name."""
    return re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")[:56] or "counts"


def _call(
    node: Client,
    name: str,
    rows: Iterable[tuple[str, int]] = (),
    *,
    end: Mapping[str, int] | None = None,
) -> Imported:
    """Make the call once all nodes agree on the import: before that, a node takes no rows. They may
    agree no more if one goes before the first rows have come."""
    late = time.monotonic() + AGREE_S
    while True:
        answer = node.bring(name, rows, end=end)
        if answer.state != "agreeing":
            return answer
        waits_for = ", ".join(answer.waits_for)
        if time.monotonic() > late:
            raise CallError(
                f"the nodes have not agreed that {name} begins: {waits_for}. All nodes must be "
                "connected then, so that no other node begins it a second time"
            )
        note(f"Waiting until all nodes know of {name}: {waits_for} ...")
        # Nodes tell each other once a second, and tell nobody when they have agreed.
        time.sleep(_ASK_S)


def _send(node: Client, name: str, counts: Counts) -> tuple[Imported, bool]:
    """The import at its end, and whether the node has taken any of our rows."""
    rows = list(counts.views_of.items())
    total = {"videos": len(rows), "views": counts.views}
    with progress(len(rows), _rows_of) as sent:
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            try:
                answer = _call(node, name, part)
            except Refused as error:
                if (index := error.body.get("index")) is None:
                    raise
                raise CallError(
                    f"{counts.file}, line {counts.lines[start + index]}: {error} The lines before "
                    "it may be counted already: mend this one, and import the file again"
                ) from None
            if answer.state == "ended":
                return answer, start > 0
            sent(len(part))
    return _call(node, name, end=total), True


def _check(counts: Counts, answer: Imported, name: str, *, taken: bool) -> None:
    """Raises `CallError` if the import that has ended is not that of this file."""
    if answer.views == counts.views:
        return
    has, ours = counted(answer.views, "view"), counted(counts.views, "view")
    if taken:
        raise CallError(
            f"{name} was imported from another file at the same time. It has {has} now, and "
            f"{counts.file} has {ours}: of each video the larger number counts. That can't be "
            "taken back"
        )
    raise CallError(
        f"{name} was imported before, with {has}, and {counts.file} has {ours}: nothing has "
        "changed. An import can't change once it has ended. If these are other counts, give them a "
        "--name of their own; they are added to those"
    )


def _rows_of(done: int, total: int) -> str:
    return f"{done:,} of {total:,} videos, {done / total:.0%}"
