"""Names that have gone are forgotten, in memory and on disk, for good."""

import sqlite3
import time
from pathlib import Path
from typing import Final

from ratchet.bounds import AHEAD_US
from ratchet.changes import Changes
from ratchet.generations import Generations
from ratchet.table import Table
from ratchet_server.counting.datadir import DATABASE
from ratchet_server.counting.plan import Plan

from testing.disk import fill
from testing.nodes import Node, wait_until

# An hour ago.
START: Final = time.time_ns() // 1000 - 3_600_000_000
GONE: Final = {f"container-{number}": START + number for number in range(40)}


def version(data: Path) -> int:
    """The version of the database in a folder."""
    connection = sqlite3.connect(data / DATABASE)
    try:
        [[number]] = connection.execute("PRAGMA user_version")
    finally:
        connection.close()
    return int(number)


def folded(node: Node) -> dict[str, int]:
    """What `node` says of folds."""
    return dict(node.get("/api/node").json()["folded"])


def test_a_node_forgets_names_and_its_disk_does(tmp_path: Path) -> None:
    data = tmp_path / "a"
    with Node("a", tmp_path, environ={"RATCHET_FORGET_AFTER": "60"}) as node:
        lifted = dict.fromkeys(GONE, 1)
        base = (("tide", 40),)
        fill(data, Changes((), base, (), GONE, GONE, GONE, lifted))
        assert version(data) == 2
        node.start()
        wait_until(lambda: set(folded(node)) == {"*", "a"}, "the names are forgotten")
        assert folded(node)["*"] == max(GONE.values())
        assert node.view("tide") == 41
        snapshot = node.get("/api/videos/tide/snapshot").json()
        assert snapshot["folded"] == {"*": max(GONE.values()), "a": 0}
        assert "40 names that have gone are forgotten" in node.log
        assert "ratchet_names 1.0" in node.get("/metrics").text
        node.restart()
        assert set(folded(node)) == {"*", "a"}
        assert node.view("tide") == 42
    # A program that knows no floors must not read this.
    assert version(data) == 3


def test_a_repair_keeps_the_floor_and_its_exceptions() -> None:
    table = Table()
    newest = Generations({"*": 20, "a": 31, "b": 7, "x": 25})
    closed = Generations({"*": 20, "a": 30, "b": 6, "x": 25})
    folded = Generations({"*": 20, "b": 3, "x": 25})
    table.restore(Changes(newest=newest, closed=closed, folded=folded, lifted_views={"b": 2}))
    mended = Plan(names=frozenset({"x"})).apply(table, AHEAD_US)
    for each in (newest, closed, folded):
        each.pop("x")
    assert (mended.newest, mended.closed, mended.folded) == (newest, closed, folded)
    assert mended.lifted_views == {"b": 2}


def test_a_repair_puts_a_floor_of_the_future_right() -> None:
    now, far = 1000, 2 * AHEAD_US
    table = Table()
    # `b` still counts, and `c` was closed in the future. `d` is as the floor says.
    newest = Generations({"b": far + 9, "c": far + 7, "*": far})
    closed = Generations({"c": far + 7, "*": far})
    folded = Generations({"b": 5, "c": 3, "d": 4, "*": far})
    table.restore(Changes(newest=newest, closed=closed, folded=folded))
    for without in (Plan(), Plan(names=frozenset({"d"}))):
        mended = without.apply(table, now + AHEAD_US)
        for each in (mended.newest, mended.closed, mended.folded):
            assert each.floor == now
            assert max(each.values()) <= now + AHEAD_US
        assert (mended.newest["b"], mended.closed["b"], mended.folded["b"]) == (5, 5, 5)
        assert (mended.newest["c"], mended.closed["c"], mended.folded["c"]) == (3, 3, 3)
    assert mended.folded["d"] == now
