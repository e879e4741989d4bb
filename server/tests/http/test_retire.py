"""An operator retires a node: refused, done, checked only, and undone by the node's return."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.disk import on_disk
from testing.life import known, missed, notices, retire, retired
from testing.nodes import Node, cluster, connected, equal, wait_until


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """Nodes with the default grace of an hour. Tests kill c, and the next test starts it again."""
    with cluster(tmp_path_factory.mktemp("trio")) as nodes:
        yield nodes


@pytest.fixture
def nodes(trio: dict[str, Node]) -> dict[str, Node]:
    """All three, running and connected."""
    if not trio["c"].running:
        trio["c"].start()
    wait_until(lambda: connected(trio.values()), "all are connected")
    everybody = {node.name: int(str(node.slot).partition("@")[2]) for node in trio.values()}
    wait_until(
        lambda: all(known(n)["known"] == everybody for n in trio.values()), "and their slots known"
    )
    wait_until(lambda: equal(trio.values()), "all have the same")
    return trio


class TestRefused:
    @pytest.mark.parametrize("check", [False, True])
    @pytest.mark.parametrize(
        ("node", "status", "code", "words"),
        [
            ("nobody", 404, "unknown_node", "no node called nobody is known here"),
            ("b", 409, "living_node", "b is alive: let it leave instead"),
            ("a", 409, "living_node", "a is the very node that you ask: let it leave instead"),
            ("B", 400, "bad_retire", "node name"),
            (None, 400, "bad_retire", "node name"),
        ],
    )
    def test_with_the_reason_and_nothing_changes(
        self,
        nodes: dict[str, Node],
        node: object,
        status: int,
        code: str,
        words: str,
        check: bool,
    ) -> None:
        before = [known(one) for one in nodes.values()]
        answer = retire(nodes["a"], node, check=check)
        assert (answer.status_code, answer.json()["error"]) == (status, code)
        assert words in answer.json()["message"]
        assert [known(one) for one in nodes.values()] == before

    def test_for_a_node_that_only_another_node_can_reach(self, tmp_path: Path) -> None:
        """A node is alive for all nodes as long as any node is connected to it."""
        environ = {"RATCHET_DISCOVER": "no"}
        with (
            Node("b", tmp_path) as b,
            Node("a", tmp_path, peers=[b.url], environ=environ) as a,
            Node("c", tmp_path, peers=[b.url], environ=environ) as c,
        ):
            for node in (b, a, c):
                node.start()
            wait_until(lambda: "c" in known(a)["known"], "a knows of c")
            wait_until(
                lambda: retire(a, "c", check=True).status_code == 409,
                "a learns from b that c is alive",
            )
            assert retire(a, "c").json()["error"] == "living_node"


class TestWithinTheGrace:
    def test_it_reports_what_each_node_holds_and_may_be_repeated(
        self, nodes: dict[str, Node]
    ) -> None:
        a, b, c = nodes.values()
        for _ in range(3):
            c.view("stakes")
        c.view("other")
        wait_until(lambda: equal(nodes.values()), "all have the same")
        slot = str(c.slot)
        c.kill9()
        report = retired(a, "c")
        assert (report["node"], f"c@{report['closed']}") == ("c", slot)
        assert "All rows that c was ever known to have are here" in report["advice"]
        [stake] = [one for one in report["slots"] if one["slot"] == slot]
        assert (stake["views"], stake["held"], stake["said"]) == (4, {"a": 4, "b": 4}, 4)
        assert stake["holders"] == {"text": "a and b", "mood": "well"}
        assert f"retires it: {slot} and all before it count no more" in a.log
        # It is on a's disk already, and b learns of it soon.
        assert on_disk(a).closed["c"] == report["closed"]
        wait_until(lambda: known(b)["closed"]["c"] == report["closed"], "b knows")
        before = known(a)
        for via in (a, b):
            again = retire(via, "c")
            assert (again.status_code, again.json()["closed"]) == (200, report["closed"])
        assert known(a) == before
        assert a.log.count("retires it") == 1
        assert notices(a, "retired") == 1

    def test_a_check_changes_nothing(self, nodes: dict[str, Node]) -> None:
        a, _, c = nodes.values()
        c.view("checked")
        wait_until(lambda: equal(nodes.values()), "all have the same")
        slot = c.slot
        # c sends this with its heartbeat. Through b, it might reach a later, and change a's state.
        wait_until(
            lambda: f"c@{known(a)['closed']['c'] + 1}" == slot, "a knows what c closed at its start"
        )
        c.kill9()
        missed(a, "c")
        before = known(a)
        answer = retire(a, "c", check=True)
        assert answer.status_code == 200
        assert f"c@{answer.json()['closed']}" == slot
        command = [sys.executable, "-m", "ratchet_server", "retire", "c", "--via", a.url, "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "Not done" in done.stdout
        assert str(slot) in done.stdout
        assert known(a) == before
        assert on_disk(a).closed["c"] < answer.json()["closed"]
        # Without --check, it is done.
        done = subprocess.run(command[:-1], capture_output=True, text=True, check=True)
        assert "c is retired" in done.stdout
        assert f"c@{known(a)['closed']['c']}" == slot

    def test_a_node_that_comes_back_is_exact_and_goes_on_in_a_new_slot(
        self, nodes: dict[str, Node], tmp_path: Path
    ) -> None:
        a, b, c = nodes.values()
        c.view("back")
        wait_until(lambda: equal(nodes.values()), "all have the same")
        c.kill9()
        # It runs alone at another address, so no other node has the view that it counts now.
        with Node("c", tmp_path, data=c.data) as alone:
            alone.start()
            assert alone.view("back") == 2
            slot = alone.slot
        retired(a, "c")
        a.view("back")
        c.start()
        # The rows of its old slot still merge.
        assert c.views("back") == 3
        assert c.view("back") == 4
        assert c.slot != slot
        wait_until(lambda: equal(nodes.values()), "all have the same")
        assert [a.views("back"), b.views("back")] == [4, 4]
