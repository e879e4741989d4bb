"""`ratchet repair`: wrong numbers leave the data of a whole cluster, and don't come back."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.days import day_at
from ratchet.names import MAX_COUNT, MAX_GENERATION
from ratchet.slot import Slot
from ratchet_server.cli import main
from ratchet_server.counting import datadir
from ratchet_server.counting.datadir import DATABASE
from ratchet_server.counting.store import Store

from testing.disk import fill, on_disk
from testing.nodes import Node, cluster, connected, equal, wait_until

Refused = Callable[..., str]

HOUR_US: Final = 3_600_000_000
NOW_US: Final = time.time_ns() // 1000
FAR: Final = NOW_US + 1000 * HOUR_US
# A slot of a node of another cluster, and one that a node opened because its name was known far in
# the future. Both have views.
FOREIGN: Final = Slot("x", NOW_US - HOUR_US)
FUTURE: Final = Slot("b", MAX_GENERATION + 77)
KEPT: Final = Slot("b", NOW_US)


def rows(slot: Slot, **views_of: int) -> ColumnChange:
    """A slot with these views."""
    numbered = enumerate(views_of.items(), 1)
    return ColumnChange(
        slot, len(views_of), tuple(Row(video, views, seq) for seq, (video, views) in numbered)
    )


def write(node: Node, changes: Changes) -> None:
    """Write into the data of a node that doesn't run, as one without bounds might have done."""

    async def story() -> None:
        store = await Store.open(Path(node.data) / DATABASE)
        await store.write(changes)
        await store.close()

    asyncio.run(story())


def stop_all(nodes: Iterable[Node]) -> None:
    for node in nodes:
        node.kill9()


def start_all(nodes: Iterable[Node]) -> None:
    for node in nodes:
        node.spawn()
    for node in nodes:
        node.wait_for_log("ready: ")


def repair(node: Node, *arguments: str) -> None:
    assert main(["repair", node.data, *arguments]) == 0


def settled(nodes: Iterable[Node]) -> bool:
    return connected(nodes) and equal(nodes)


class TestAWholeCluster:
    def test_is_repaired_and_counts_on(self, tmp_path: Path) -> None:
        # A node waits so long for one that it refuses.
        with cluster(tmp_path, environ={"RATCHET_JOIN_TIMEOUT": "1"}) as nodes:
            a, b, c = all_three = [*nodes.values()]
            for node, views in ((a, 3), (b, 2), (c, 1)):
                for _ in range(views):
                    node.view("tide")
            wait_until(lambda: equal(all_three), "all have the same")
            stop_all(all_three)
            # All have a foreign slot, a map that names the far future, and a base with a number
            # that swallows views. b has counted on, in a slot that nobody else could take.
            poison = Changes(
                columns=(rows(FOREIGN, tide=500, moss=7),),
                base=(("full", MAX_COUNT), ("old", 8)),
                newest={"b": MAX_GENERATION, "x": FOREIGN.generation},
                closed={"b": MAX_GENERATION - 1},
                lifted_views={"y": 15},
            )
            for node in all_three:
                write(node, poison)
            write(b, Changes(columns=(rows(FUTURE, tide=4),), newest={"b": FUTURE.generation}))
            plan = ["--drop", "x", "--rename", f"{FUTURE}={KEPT}", "--set", "base/full=0"]
            for node in (a, b):
                repair(node, *plan, "--yes")
            # The third was forgotten. What it has can't be true, so it brings nothing back.
            start_all(all_three)
            wait_until(lambda: equal([a, b]) and a.views("tide") == 10, "a and b have the same")
            for node in (a, b):
                node.wait_for_log("hours ahead: its clock or ours is wrong")
            [advice, *_] = a.get("/api/cluster").json()["advice"]
            why = "c sent what can't be true: b@"
            assert advice.startswith(f"a and c break off each connection: {why}")
            why = "a does not understand us: sent what can't be true: b@"
            wait_until(lambda: why in c.get("/api/cluster").text, "c says so, too")
            assert (a.views("moss"), a.views("full"), a.views("old")) == (0, 0, 8)
            assert c.views("tide") >= 506
            stop_all([c])
            repair(c, *plan, "--yes")
            c.start()
            wait_until(lambda: settled(all_three), "all three have the same")
            assert [(node.views("tide"), node.views("full")) for node in all_three] == [(10, 0)] * 3
            for node in all_three:
                node.view("full")
            b.restart()
            wait_until(lambda: settled(all_three), "all have the same again")
            for node in all_three:
                assert (node.views("tide"), node.views("full")) == (10, 3)
                assert "x" not in node.get("/api/node").json()["known"]
                assert node.get("/api/node").json()["known"]["b"] < NOW_US + HOUR_US

            # Where nothing is beyond the bounds, nobody can tell that a node was forgotten.
            stop_all(all_three)
            for node in all_three:
                write(node, Changes(columns=(rows(FOREIGN, tide=500),)))
            for node in (a, b):
                repair(node, "--drop", "x", "--yes")
            start_all(all_three)
            wait_until(lambda: settled(all_three), "all have the same once more")
            assert a.views("tide") == 510
            stop_all(all_three)
            # Now all are repaired. Meanwhile a fold of the future has taken all slots of b.
            far = {"b": FAR}
            for node in all_three:
                write(node, Changes(newest=far, closed=far, folded=far))
                repair(node, "--drop", "x", "--yes")
            start_all(all_three)
            b.view("tide")
            wait_until(lambda: settled(all_three), "all have the same at last")
            b.restart()
            wait_until(lambda: settled(all_three), "b has come back")
            assert a.views("tide") == b.views("tide") == 11


class TestTheCommand:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Data with a foreign slot and a raised number."""
        mine = Slot("a", NOW_US - 9 * HOUR_US)
        raised = rows(mine, tide=MAX_COUNT, moss=3)
        changes = Changes(
            columns=(raised, rows(FOREIGN, **{f"v{n}": n for n in range(1, 9)})),
            newest={"a": mine.generation, "x": FOREIGN.generation},
        )
        return fill(tmp_path / "a", changes)

    def test_only_shows_what_would_change(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        node = Node("a", tmp_path)
        before = on_disk(node)
        mine = next(slot for slot in before.slots if slot.node == "a")
        arguments = ["repair", str(folder), "--drop", str(FOREIGN), "--set", f"{mine}/tide=41"]
        assert main(arguments) == 0
        shown = capsys.readouterr().out
        top = "v8 8, v7 7, v6 6, v5 5, v4 4 and 3 more"
        assert f"{FOREIGN} goes, with 36 views of 8 videos: {top}\n" in shown
        assert f"{mine}: tide 41, not 9,007,199,254,740,991" in shown
        assert "Nothing has changed yet. Add --yes to do it." in shown
        assert on_disk(node) == before
        assert main([*arguments, "--yes"]) == 0
        assert on_disk(node).slots == {mine: {"tide": 41, "moss": 3}}
        # The old file is there, and can be used like a backup.
        [old] = folder.glob("ratchet.repaired-*.sqlite")
        assert str(old) in capsys.readouterr().out
        assert main(["repair", str(folder), "--drop", str(FOREIGN), "--yes"]) == 0
        shown = capsys.readouterr().out
        assert "Nothing changes." in shown
        assert f"What is not in this data:\n  {FOREIGN}\n" in shown
        assert [*folder.glob("ratchet.repaired-*.sqlite")] == [old]

    def test_changes_nothing_while_something_would_remain_that_cant_be_true(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        node = Node("a", tmp_path)
        later = Slot("b", FUTURE.generation + 1)
        future = (rows(FUTURE, tide=4), rows(later, tide=1))
        write(node, Changes(columns=future, base=(("old", MAX_COUNT),)))
        before = on_disk(node)
        assert main(["repair", str(folder), "--drop", "x", "--yes"]) == 1
        output = capsys.readouterr()
        assert "nothing has changed, because other nodes would go on refusing" in output.err
        assert f"--rename {FUTURE}=b@1 keeps its views, --drop {FUTURE} takes" in output.out
        assert f"--rename {later}=b@2 keeps its views" in output.out
        assert "/tide=VIEWS, with the right number, or --drop a@" in output.out
        assert "--set base/old=VIEWS, with the right number\n" in output.out
        assert on_disk(node) == before

    def test_mends_claims_that_cant_be_true_by_itself(self, tmp_path: Path) -> None:
        slot = Slot("a", NOW_US)
        raised = ColumnChange(slot, MAX_COUNT, (Row("tide", 2, MAX_COUNT), Row("moss", 1, 3)))
        lifted = {"a": MAX_COUNT}
        newest = {"a": NOW_US}
        fill(tmp_path / "a", Changes(columns=(raised,), newest=newest, lifted_views=lifted))
        assert main(["repair", str(tmp_path / "a"), "--yes"]) == 0
        with Node("a", tmp_path) as node:
            node.start()
            assert (node.views("tide"), node.views("moss")) == (2, 1)
            assert "can't" not in node.log

    def test_takes_out_days_that_cant_be_true_by_itself(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What a fold has moved into the base while the clock was wrong has such days."""
        today, far = day_at(NOW_US), day_at(FAR)
        days = ((today, "tide", 2), (far, "tide", 3), (far, "moss", 1))
        data = fill(tmp_path / "a", Changes(base=(("tide", 5), ("moss", 1)), days=days))
        assert main(["repair", str(data), "--yes"]) == 0
        assert "views by day: 2 entries go" in capsys.readouterr().out
        write(Node("a", tmp_path), Changes(newest={"a": NOW_US}, first_day=far))
        assert main(["repair", str(data), "--yes"]) == 0
        assert "the first day that is kept: chosen anew" in capsys.readouterr().out
        assert main(["repair", str(data), "--yes"]) == 0
        assert "Nothing changes." in capsys.readouterr().out
        # A clock that was weeks ahead has chosen one that is in the past.
        weeks_ahead = Changes(newest={"a": FAR}, first_day=today - 9)
        write(Node("a", tmp_path), weeks_ahead)
        assert main(["repair", str(data), "--yes"]) == 0
        assert "the first day that is kept: chosen anew" in capsys.readouterr().out
        with Node("a", tmp_path) as node:
            node.start()
            assert (node.views("tide"), node.views("moss")) == (5, 1)
            assert "can't" not in node.log
            answer = node.get("/api/videos/tide/days").json()
            assert date.fromisoformat(answer["first"]) < date.fromisoformat(answer["today"])

    def test_sets_the_base_as_it_is_once_a_slot_on_its_way_has_arrived(
        self, tmp_path: Path
    ) -> None:
        """Nodes lift a slot part by part. All have to show the same number after the repair."""
        gone = Slot("c", NOW_US - HOUR_US)
        maps = {"c": gone.generation}
        base = (("tide", 900), ("moss", 2))
        lifting = (rows(gone, tide=4, moss=3, loom=5),)
        data = fill(tmp_path / "a", Changes(lifting, base, (), maps, maps, maps))
        set_both = ["--set", "base/tide=14", "--set", "base/loom=0"]
        assert main(["repair", str(data), *set_both, "--yes"]) == 0
        with Node("a", tmp_path) as node:
            node.start()
            assert [node.views(video) for video in ("tide", "moss", "loom")] == [14, 5, 0]

    def test_refuses_while_the_node_runs(self, refused: Refused, folder: Path) -> None:
        with datadir.locked(folder):
            line = refused("repair", str(folder), "--drop", "x", "--yes")
        assert "runs (pid " in line
        assert "stop all nodes of the cluster first" in line

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["--drop", "A"], "a node name is"),
            (["--drop", "a@01"], "a slot is node@generation"),
            (["--rename", "a@1"], "a slot is node@generation"),
            (["--set", "tide=1"], "--set takes SLOT/VIDEO=VIEWS or base/VIDEO=VIEWS"),
            (["--set", "base/tide=-1"], "--set takes"),
            (["--set", f"base/tide={2**53}"], "a count is a whole number"),
            (["--rename", "OLD=y@1"], "name a slot of x"),
            (["--rename", "OLD=OLD"], "use --drop OLD"),
            (["--rename", "OLD=x@1", "--rename", "b@7=x@1"], "two slots can't become one"),
            (["--rename", "OLD=x@FAR"], "that would be in the future, too"),
        ],
    )
    def test_refuses_a_plan_that_fits_no_data(
        self, refused: Refused, folder: Path, arguments: list[str], reason: str
    ) -> None:
        # The names of tests must not change from run to run.
        now = {"OLD": str(FOREIGN), "FAR": str(FAR)}
        arguments = [re.sub("OLD|FAR", lambda found: now[found[0]], each) for each in arguments]
        line = refused("repair", str(folder), *arguments)
        assert reason.replace("OLD", now["OLD"]) in line

    def test_refuses_a_folder_without_data(self, refused: Refused, tmp_path: Path) -> None:
        assert "name the folder that the node has as its --data" in refused("repair", str(tmp_path))
        assert not [*tmp_path.iterdir()]


def test_a_repaired_node_is_still_of_its_cluster(tmp_path: Path) -> None:
    ids = frozenset({"00000000000000aa", "00000000000000bb"})
    changes = Changes(columns=(rows(FOREIGN, tide=3),), ids=ids, settled=True)
    folder = fill(tmp_path / "data", changes)
    assert main(["repair", str(folder), "--drop", str(FOREIGN), "--yes"]) == 0

    async def story() -> None:
        store = await Store.open(folder / DATABASE)
        parts = [part async for part in store.load()]
        await store.close()
        assert frozenset().union(*(part.ids for part in parts)) == ids
        assert any(part.settled for part in parts)
        assert not any(part.columns for part in parts)

    asyncio.run(story())
