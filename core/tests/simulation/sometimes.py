"""What must happen in a fair number of runs: a fault that never comes tests nothing."""

from collections import Counter as Tally
from typing import Final

# Faults, and the hard moments that they must lead to, by the names in the tally of a world.
SOMETIMES: Final = {
    "the wire": (
        "frame lost",
        "frame doubled",
        "frame late",
        "frame overtaken by a later one",
        "frame lost in a cut",
        "old frame again",
        "partition: whole",
        "partition: one-way",
        "partition: ring",
        "partition: bridge",
        "partition: one node cut off",
    ),
    "pulses and buses": (
        "pulse understood",
        "pulse not understood",
        "process of the last version",
        "run on a mesh",
        "run on a bus",
        "run on two buses",
        "bus held up",
        "bus always late",
        "too old for its bus",
        "half-deaf: hears nothing",
        "half-deaf: is not heard",
    ),
    "processes and disks": (
        "crash",
        "crash in a write",
        "crash after a write",
        "crash in the middle of a lift",
        "commit failed",
        "slow disk",
        "process paused",
        "start from disk",
        "start from disk, clock back",
        "start from disk, clock ahead",
        "start from empty disk",
        "start from empty disk, clock back",
        "old backup put in place",
        "copied data folder beside the living",
        "old backup beside the living",
        "disk destroyed",
        "machine lost for ever",
        "views lost with the last disk that had them",
    ),
    "lives": (
        "join",
        "draining",
        "draining during the start",
        "draining: all handed over",
        "leaving",
        "leaving during the start",
        "leaving: all handed over",
        "superseded: all handed over",
        "retire",
        "retire refused: living",
        "retire refused: unknown",
        "return within the grace",
        "return after the fold",
        "view refused",
        "view on a second disk",
    ),
    "forgetting": (
        "fold",
        "fold learned from a peer",
        "slot lifted in parts",
        "base fetched from another",
        "transfer in several parts",
        "transfer broken in the middle",
        "views lost with a node that was folded while cut off",
        "notice: opened",
        "notice: superseded",
        "notice: reopened",
        "notice: retired",
        "notice: folded",
        "notice: missing",
        "notice: unseen",
        "notice: forgotten",
        "days fetched from another",
        "days forgotten with a peer",
        "floor learned from a peer",
        "floor over a slot that nobody there knew",
        "snapshot from before a floor",
    ),
    "keys": (
        "view with a key",
        "view with a key: new",
        "view with a key: counted",
        "view with a key: pending",
        "request lost",
        "answer lost",
        "retry",
        "pending view counted",
        "pending view had counted elsewhere",
        "key handed over",
        "key forgotten",
    ),
    "browsers": (
        "snapshot to a browser",
        "old snapshot again",
        "second tab",
        "tab reloaded",
        "browser comes back with an old state",
    ),
}


def never(tally: Tally[str]) -> list[str]:
    """The names that never happened."""
    return [name for names in SOMETIMES.values() for name in names if not tally[name]]


def table(tally: Tally[str]) -> str:
    """How often each name happened, and everything else in the tally."""
    lines = []
    for title, names in SOMETIMES.items():
        lines += [title, *(f"{tally[name]:>9}  {name}" for name in names)]
    known = {name for names in SOMETIMES.values() for name in names}
    others = sorted(name for name in tally if name not in known)
    return "\n".join([*lines, "and", *(f"{tally[name]:>9}  {name}" for name in others)])
