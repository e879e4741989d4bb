"""A node that is killed at any step of a start, a fold, a leave or a retirement loses nothing.

After the kill, a step is either done or not done, and never half done.
"""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx
import pytest
from ratchet.changes import Changes
from ratchet.slot import Slot
from ratchet_server.crash_points import STEPS, Step

from testing.disk import fill, many, on_disk
from testing.life import NO_GRACE, has_folded, hot, known, missed, retire, sees
from testing.nodes import Node, cluster, connected, equal, wait_until

# More videos than two transactions lift.
VIDEOS = 5000
OLD = Slot("old", 5)
TRUTH = {f"video-{n}": n for n in range(2, VIDEOS + 1)} | {"video-1": 11, "another": 20}


def steps_of(*names: str) -> list[Step]:
    return [step for step in STEPS if step.split("-")[0] in names]


def test_no_step_is_left_out() -> None:
    assert steps_of("start", "slot", "fold", "leave", "peer", "retire") == [*get_args(Step)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """Two nodes that fold without a grace. Node a dies, and runs again for the next test."""
    with cluster(tmp_path_factory.mktemp("pair"), ("a", "b"), environ=NO_GRACE) as nodes:
        yield nodes


@pytest.fixture
def a(pair: dict[str, Node]) -> Iterator[Node]:
    """The node that dies."""
    if not pair["a"].running:
        pair["a"].start()
    wait_until(lambda: connected(pair.values()), "both are connected")
    yield pair["a"]
    pair["a"].environ.pop("RATCHET_DIE_AT", None)


@pytest.fixture
def b(pair: dict[str, Node]) -> Node:
    """The node that lives on."""
    return pair["b"]


def dies(node: Node) -> None:
    """Wait until the node dies at its step. Its next start will live on."""
    assert node.wait() == -signal.SIGKILL, node.log
    node.environ.pop("RATCHET_DIE_AT")


def restart_to_die(node: Node, step: Step) -> None:
    """Start the node again. It dies at this step."""
    if node.running:
        assert node.stop() == 0
    node.environ["RATCHET_DIE_AT"] = step
    node.spawn()


def both_have(a: Node, b: Node) -> Counter[str]:
    """The views that both nodes count, and have on disk."""
    wait_until(lambda: equal([a, b]), "both count the same")
    wait_until(lambda: on_disk(a).counts == on_disk(b).counts, "and have it on disk")
    return on_disk(a).counts


def settled(a: Node, b: Node) -> None:
    """Wait until both nodes agree, in memory and on disk, and have folded every closed slot."""
    wait_until(lambda: connected([a, b]), "both are connected")
    both_have(a, b)
    wait_until(lambda: hot(a) == hot(b) == sorted({*hot(a)}), "old slots are folded")


@pytest.mark.parametrize("step", steps_of("start", "slot", "peer"))
def test_while_it_starts(a: Node, b: Node, step: Step) -> None:
    a.view("starts")
    b.view("starts")
    before = both_have(a, b)
    restart_to_die(a, step)
    dies(a)
    assert on_disk(a).counts == before
    a.start()
    assert a.views("starts") == before["starts"]
    assert a.view("starts") == before["starts"] + 1
    settled(a, b)
    assert b.views("starts") == before["starts"] + 1


@pytest.fixture(scope="module")
def fold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to copy: a base, and a closed slot that is too large for one transaction."""
    columns, base = (many(OLD, VIDEOS),), (("video-1", 10), ("another", 20))
    history = Changes(columns=columns, base=base, newest={"old": 5}, closed={"old": 5})
    return fill(tmp_path_factory.mktemp("fold") / "data", history)


@pytest.fixture(scope="module")
def folded(fold: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has folded the slot."""
    folder = tmp_path_factory.mktemp("folded")
    shutil.copytree(fold, folder / "b")
    with Node("b", folder, environ=NO_GRACE) as node:
        node.start()
        wait_until(lambda: on_disk(node).base == TRUTH, "it is folded")
        yield node


@pytest.mark.parametrize("step", steps_of("fold"))
def test_while_it_folds_what_others_have_folded(
    fold: Path, folded: Node, tmp_path: Path, step: Step
) -> None:
    shutil.copytree(fold, tmp_path / "a")
    environ = NO_GRACE | {"RATCHET_DIE_AT": step}
    with Node("a", tmp_path, peers=[folded.url], environ=environ) as a:
        dies_and_folds(a, step)
        wait_until(lambda: equal([a, folded]), "both have the same")


def test_while_it_folds_by_itself(fold: Path, tmp_path: Path) -> None:
    """No peer can help the node afterwards: the rest of the slot is on its disk alone."""
    shutil.copytree(fold, tmp_path / "a")
    environ = NO_GRACE | {"RATCHET_DIE_AT": "fold-part-written"}
    with Node("a", tmp_path, environ=environ) as a:
        dies_and_folds(a, "fold-part-written")


def dies_and_folds(a: Node, step: Step) -> None:
    a.spawn()
    dies(a)
    stored = on_disk(a)
    assert stored.counts == TRUTH
    assert bool(stored.folded) == (step in {"fold-part-written", "fold-written"})
    assert (OLD in stored.slots) == (step != "fold-written")
    if step == "fold-part-written":
        assert 0 < len(stored.slots[OLD]) < VIDEOS
    a.start()
    wait_until(lambda: on_disk(a).base == TRUTH, "it is folded")
    assert on_disk(a).slots == {}
    assert a.views("video-1") == 11
    assert a.get("/api/videos/video-4999/snapshot").json() == {
        "video": "video-4999", "base": 4999, "slots": {}, "folded": {"old": 5}
    }  # fmt: skip


@pytest.mark.parametrize("step", steps_of("leave"))
def test_while_it_leaves(a: Node, b: Node, step: Step) -> None:
    restart_to_die(a, step)
    a.wait_for_log("ready: ")
    a.view("leaves")
    b.view("leaves")
    before = both_have(a, b)
    slot = str(a.slot)
    os.kill(a.pid, signal.SIGQUIT)
    dies(a)
    stored = on_disk(a)
    assert stored.counts == before
    closed = stored.closed["a"] >= int(slot[2:])
    assert closed == (step in {"leave-written", "leave-handed-over"})
    if step == "leave-handed-over":
        assert known(b)["closed"]["a"] >= int(slot[2:])
    assert b.views("leaves") == before["leaves"]
    # The node can come back, whether or not its slot was closed.
    a.start()
    assert a.view("leaves") == before["leaves"] + 1
    settled(a, b)
    assert a.slot != slot
    assert b.views("leaves") == before["leaves"] + 1


@pytest.mark.parametrize("step", steps_of("retire"))
def test_while_it_retires_another(tmp_path: Path, a: Node, b: Node, step: Step) -> None:
    name = step.removeprefix("retire-")
    restart_to_die(a, step)
    a.wait_for_log("ready: ")
    with Node(name, tmp_path, peers=[a.url, b.url]) as gone:
        gone.start()
        gone.view(step)
        gone.view(step)
        slot = str(gone.slot)
        wait_until(lambda: a.views(step) == b.views(step) == 2, "both have its views")
    missed(a, name)
    with pytest.raises(httpx.TransportError):
        retire(a, name)
    dies(a)
    stored = on_disk(a)
    assert stored.counts[step] == 2
    assert (stored.closed.get(name, 0) >= int(slot.split("@")[1])) == (step == "retire-written")
    a.start()
    wait_until(lambda: sees(b, "a"), "a is back")
    missed(a, name)
    # A retirement without a response is unsure. Sent again, it is done once.
    assert retire(a, name).status_code == 200
    wait_until(lambda: all(has_folded(node, slot) for node in (a, b)), "it is folded")
    wait_until(lambda: all(name not in hot(node) for node in (a, b)), "on disk, too")
    for node in (a, b):
        assert node.views(step) == 2
        assert on_disk(node).counts[step] == 2
