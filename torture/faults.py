"""The faults. Each is a context manager: it does something, and undoes it at its end.

What is missing: a disk that is slow, or that lies about what it has written. Each needs a device of
its own, and rights that a test does not have.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ratchet_server.counting.datadir import DATABASE
from ratchet_server.operator.torture.history import Attempt, History
from ratchet_server.operator.torture.load import Load

from e2e.cluster import Cluster
from e2e.life import handed_over
from testing.disk import no_file_larger_than, reads_that_can_fail
from testing.life import retired
from testing.links import Link, Style
from testing.nodes import Node, connected, wait_until

# Viewers may need that long for their last answers, and nodes to find each other again.
PATIENCE_S: Final = 90.0
# Longer than every time-out of viewers, peers and the balancer's checks.
FREEZE_S: Final = 14.0
HOLD_S: Final = 3.0
# Longer than a viewer waits for a response, and too short for anybody to take the node for dead.
_STUTTER_S: Final = 2.5
_MINUTES_S: Final = (-600, 600)
# Nodes believe clocks that are less than a day apart. The clocks of one cluster may step both ways.
_HOURS_S: Final = tuple(hours * 3600 for hours in (-11, -3, 3, 11))
# A clock that steps `after_s` seconds after the start of the process.
_CLOCK: Final = """
import time

_time, _time_ns, _step = time.time, time.time_ns, time.monotonic() + {after_s}
_shift = lambda: {shift_s} if time.monotonic() > _step else 0
time.time = lambda: _time() + _shift()
time.time_ns = lambda: _time_ns() + _shift() * 10**9
"""
_EARLY_STEPS: Final = ("start-listening", "start-loaded", "peer-dialled")


@dataclass(frozen=True)
class Scene:
    """What a fault acts on."""

    cluster: Cluster
    load: Load
    history: History
    # The link through which viewers reach each node.
    doors: Mapping[str, Link]
    chance: random.Random
    # A new folder, for backups.
    folder: Path
    # Waits until every node shows all that was answered.
    settle: Callable[[], object]
    # The nodes that a fault may choose from.
    nodes: Sequence[Node]

    def shuffled(self) -> list[Node]:
        """These nodes, in an order that the seed decides."""
        return self.chance.sample(self.nodes, len(self.nodes))

    def say(self, what: str) -> None:
        """Note in the history what was just done."""
        self.history.fault(what)


Fault = Callable[[Scene], AbstractContextManager[None]]


@contextmanager
def _kill(scene: Scene) -> Iterator[None]:
    """SIGKILL. Half of the times, the next process is killed while it starts."""
    node = scene.shuffled()[0]
    step = scene.chance.choice([None, None, None, *_EARLY_STEPS])
    node.kill9()
    scene.say(f"kill {node.name}")
    yield
    if step:
        node.environ["RATCHET_DIE_AT"] = step
        try:
            node.spawn().wait()
        finally:
            del node.environ["RATCHET_DIE_AT"]
        scene.say(f"{node.name} died at {step}")
    node.start()
    scene.say(f"start {node.name}")


@contextmanager
def _kill_in_a_cut(scene: Scene) -> Iterator[None]:
    """SIGKILL of a node that is cut off: what it answered is on its own disk, and nowhere else."""
    node = scene.shuffled()[0]
    scene.cluster.cut_off(node.name)
    scene.say(f"cut off {node.name}")
    yield
    node.restart()
    scene.say(f"kill and start {node.name}")
    scene.cluster.heal()
    scene.say("heal")


@contextmanager
def _freeze(scene: Scene) -> Iterator[None]:
    node = scene.shuffled()[0]
    node.pause()
    scene.say(f"freeze {node.name}")
    try:
        yield
        time.sleep(FREEZE_S - HOLD_S)
    finally:
        node.resume()
    scene.say(f"{node.name} goes on")


@contextmanager
def _stutter(scene: Scene) -> Iterator[None]:
    """One node after the other stops for a moment: their viewers try again at another node."""
    for node in scene.shuffled():
        node.pause()
        scene.say(f"freeze {node.name} for a moment")
        try:
            time.sleep(_STUTTER_S)
        finally:
            node.resume()
    yield


@contextmanager
def _lost_answers(scene: Scene) -> Iterator[None]:
    """Two nodes count, and no viewer receives what they answer. Only a retry tells."""
    nodes = scene.shuffled()[:2]
    for node in nodes:
        scene.doors[node.name].mute("back")
        scene.say(f"no answer of {node.name} arrives")
    yield
    for node in nodes:
        scene.doors[node.name].heal()
    scene.say("answers arrive")


@contextmanager
def _cut(scene: Scene) -> Iterator[None]:
    """A cut of any shape: one node off, halves, a ring, a bridge, a node that hears nobody."""
    one, two, three, four = (node.name for node in scene.shuffled())
    style: Style = scene.chance.choice(["reset", "silence"])
    shape = scene.chance.choice(["off", "halves", "ring", "bridge", "deaf"])
    cut = scene.cluster
    match shape:
        case "off":
            cut.cut_off(one, style)
        case "halves":
            cut.split(one + two, three + four, style=style)
        case "ring":
            cut.split(one, three, style=style)
            cut.split(two, four, style=style)
        case "bridge":
            cut.split(one, three + four, style=style)
        case "deaf":
            for speaker in (two, three, four):
                cut.deafen(one, speaker)
    scene.say(f"cut: {shape}, {style}: {one} {two} {three} {four}")
    yield
    cut.heal()
    scene.say("heal")


@contextmanager
def _full_disk(scene: Scene) -> Iterator[None]:
    """No file of a node may be larger than some kilobytes: its writes fail, or are cut short."""
    node = scene.shuffled()[0]
    with no_file_larger_than(scene.chance.choice([1, 20_000]), node.pid):
        scene.say(f"the disk of {node.name} is full")
        yield
        wait_until(lambda: _refused(scene, node), f"{node.name} refuses a view", PATIENCE_S)
    scene.say(f"{node.name} has room")


def _refused(scene: Scene, node: Node) -> bool:
    """Whether the node has refused a view in this round."""
    return any(
        isinstance(event, Attempt) and (event.to, event.fate) == (node.name, "refused")
        for event in list(scene.history.events)
    )


@contextmanager
def _lost_files(scene: Scene) -> Iterator[None]:
    """The files of a node vanish while it runs."""
    node = scene.shuffled()[0]
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
        (Path(node.data) / name).unlink(missing_ok=True)
    scene.say(f"the files of {node.name} are gone")
    yield


@contextmanager
def _failed_reads(scene: Scene) -> Iterator[None]:
    """A node can read nothing of its disk, or nothing of the files that are there already. Half of
    the times, its process ends meanwhile, and no other one can start."""
    node = scene.shuffled()[0]
    folder = scene.folder / node.name
    broken = reads_that_can_fail(folder)
    with _patched(node, folder):
        _unheard(scene, node)
        there = [str(file.stat().st_ino) for file in Path(node.data).iterdir()]
        broken.write_text(" ".join(scene.chance.choice([[], there])))
        scene.doors[node.name].heal()
        scene.say(f"{node.name} can't read its disk")
        yield
        wait_until(lambda: "views are refused" in node.log, f"{node.name} refuses", PATIENCE_S)
        if dies := scene.chance.choice([True, False]):
            node.kill9()
            assert node.spawn().wait() == 1, node.log
            scene.say(f"{node.name} can't start")
        broken.unlink()
        scene.say(f"{node.name} can read its disk")
        if dies:
            node.start()
        else:
            wait_until(lambda: "takes views again" in node.log, f"{node.name} counts", PATIENCE_S)


def _unheard(scene: Scene, node: Node) -> None:
    """Let a node count for a while, and no viewer receive its answers. They send their keys again
    once the link is healed."""
    scene.doors[node.name].mute("back")
    scene.say(f"no answer of {node.name} arrives")
    time.sleep(_STUTTER_S)


@contextmanager
def _patched(node: Node, folder: Path) -> Iterator[None]:
    """Inside, the node runs with the `sitecustomize.py` of `folder`."""
    node.environ["PYTHONPATH"] = str(folder)
    try:
        node.restart()
        yield
    finally:
        del node.environ["PYTHONPATH"]
    node.restart()


def _clock(steps_s: Sequence[int]) -> Fault:
    """The clock of a node is wrong from its start, or steps while it runs."""

    @contextmanager
    def fault(scene: Scene) -> Iterator[None]:
        node = scene.shuffled()[0]
        _unheard(scene, node)
        shift_s = scene.chance.choice(steps_s)
        after_s = scene.chance.choice([0, 1 + HOLD_S / 2])
        folder = scene.folder / node.name
        folder.mkdir()
        code = _CLOCK.format(shift_s=shift_s, after_s=after_s)
        (folder / "sitecustomize.py").write_text(code)
        with _patched(node, folder):
            scene.doors[node.name].heal()
            scene.say(f"the clock of {node.name} steps by {shift_s} s after {after_s} s")
            yield
        scene.say(f"the clock of {node.name} is right")

    return fault


@contextmanager
def _old_backup(scene: Scene) -> Iterator[None]:
    node = scene.shuffled()[0]
    node.back_up(scene.folder / "backup")
    scene.say(f"back up {node.name}")
    yield
    _restore(scene, node, scene.folder / "backup")


@contextmanager
def _empty_disk(scene: Scene) -> Iterator[None]:
    yield
    _restore(scene, scene.shuffled()[0], None)


def _restore(scene: Scene, node: Node, backup: Path | None) -> None:
    """Give a node another disk. It may lose what no other node has, and the keys of unanswered
    views: so the viewers rest until all is answered, and elsewhere, too."""
    scene.load.rest(PATIENCE_S)
    scene.settle()
    wait_until(lambda: handed_over(node), f"all of {node.name} is elsewhere, too", PATIENCE_S)
    node.kill9()
    node.lose_disk(backup)
    scene.load.go()
    scene.say(f"{node.name} starts from {'an old backup' if backup else 'an empty disk'}")
    node.start()


@contextmanager
def _rolling(scene: Scene) -> Iterator[None]:
    """All nodes are restarted, one after the other."""
    for node in scene.nodes:
        code = node.stop()
        assert code == 0, node.log
        node.start()
        wait_until(lambda: connected(scene.nodes), "all nodes are connected", PATIENCE_S)
        scene.say(f"restarted {node.name}")
    yield


@contextmanager
def _leave(scene: Scene) -> Iterator[None]:
    """A node leaves for good, and comes back."""
    node = scene.shuffled()[0]
    code = node.stop(signal.SIGQUIT)
    assert code == 0, node.log
    scene.say(f"{node.name} has left")
    yield
    node.start()
    scene.say(f"start {node.name}")


@contextmanager
def _retire(scene: Scene) -> Iterator[None]:
    """A node is retired by mistake: it is only cut off, and counts on."""
    node, via, *_ = scene.shuffled()
    scene.cluster.cut_off(node.name)
    scene.say(f"cut off {node.name}")
    retired(via, node.name)
    scene.say(f"{node.name} is retired")
    yield
    scene.cluster.heal()
    scene.say("heal")


@contextmanager
def _no_balancer(scene: Scene) -> Iterator[None]:
    """SIGKILL of the balancer: what it had in hand is unsure. The nodes are there."""
    balancer = scene.cluster.front
    assert balancer
    balancer.kill9()
    scene.say("kill the balancer")
    yield
    balancer.start()
    scene.say("start the balancer")


@contextmanager
def _two_faults(scene: Scene) -> Iterator[None]:
    """Two faults at once: of two nodes, or of a node and what is around it."""
    one, other, *_ = scene.shuffled()
    first = scene.chance.choice(_OF_A_NODE)
    second = scene.chance.choice((*_OF_A_NODE, *_AROUND, *_AROUND))
    elsewhere = scene if second in _AROUND else replace(scene, nodes=[other])
    scene.say(f"{first}, and {second}")
    with FAULTS[first](replace(scene, nodes=[one])), FAULTS[second](elsewhere):
        yield


FAULTS: Final[dict[str, Fault]] = {
    "kill": _kill,
    "kill in a cut": _kill_in_a_cut,
    "freeze": _freeze,
    "stutter": _stutter,
    "lost answers": _lost_answers,
    "cut": _cut,
    "full disk": _full_disk,
    "failed reads": _failed_reads,
    "lost files": _lost_files,
    "clock": _clock(_MINUTES_S),
    "clock by hours": _clock(_HOURS_S),
    "old backup": _old_backup,
    "empty disk": _empty_disk,
    "rolling restart": _rolling,
    "leave": _leave,
    "retire": _retire,
    "no balancer": _no_balancer,
    "two faults": _two_faults,
}
# What may come together.
_OF_A_NODE: Final = (
    "kill", "freeze", "full disk", "failed reads", "lost files", "clock", "clock by hours",
)  # fmt: skip
_AROUND: Final = ("lost answers", "cut", "no balancer")


def hold() -> None:
    """Let a fault last."""
    time.sleep(HOLD_S)
