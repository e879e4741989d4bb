"""Random faults of a cluster under load, and how the cluster is mended and checked afterwards."""

import random
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Final

import httpx

from e2e.cluster import Cluster
from e2e.life import handed_over, wait_for_folds
from e2e.tape import Tape
from testing.life import retired
from testing.links import Style
from testing.load import Load
from testing.nodes import Node, connected, equal, wait_until

# How many views each reachable node answers between two faults.
BETWEEN: Final = 4
# A node that was superseded may hand over for a while before it ends.
MEND_S: Final = 90.0


class Faults:
    """Causes faults in `cluster`. Tells the history what a lost disk or a fold may have lost."""

    def __init__(self, cluster: Cluster, load: Load, chance: random.Random, folder: Path) -> None:
        # A fault that isn't possible now does nothing and returns False.
        self._kinds: dict[str, Callable[[], object]] = {
            "kill": self._kill,
            "kill, start": self._kill_and_start,
            "stop, start": self._stop_and_start,
            "start": self._start,
            "drain": self._drain,
            "leave": self._leave,
            "pause": self._pause,
            "resume": self._resume,
            "cut off": self._cut_off,
            "split": self._split,
            "ring": self._ring,
            "bridge": self._bridge,
            "deafen": self._deafen,
            "heal": self._heal,
            "back up": self._back_up,
            "old backup": self._old_backup,
            "empty disk": self._empty_disk,
            "copy": self._copy,
            "retire the dead": self._retire_the_dead,
            "retire the living": self._retire_the_living,
            "replay": self._replay,
        }
        self._cluster = cluster
        self._load = load
        self._chance = chance
        self._folder = folder
        self._tape = Tape(chance)
        self._backups: list[tuple[Node, Path]] = []
        self._numbers = count(1)
        self._paused: list[Node] = []
        self._cut = False
        # Nodes whose disk was lost: it alone may have had their views since the last check.
        self._lossy: set[str] = set()
        self._checked = load.history.clock()

    def happen(self) -> str:
        """Cause one fault that is possible now, and wait for some views. Returns its name."""
        kinds = [*self._kinds]
        self._chance.shuffle(kinds)
        kind = next(kind for kind in kinds if self._kinds[kind]() is not False)
        self._load.more(BETWEEN, [node for node in self._up if node in self._load.targets])
        return kind

    def mend(self, *, folds: bool = False) -> None:
        """Heal, start and resume all nodes, wait until they agree, and check the history."""
        self._heal()
        while self._paused:
            self._paused.pop().resume()
        wait_until(self._all_hear_all, "all run and hear each other", MEND_S)
        for node in self._nodes:
            if node not in self._load.targets:
                self._load.add(node)
        self._load.more(BETWEEN)
        self._load.rest()
        for url in self._lossy:
            self._load.history.disk_lost(url, self._checked)
        self._lossy.clear()
        self._load.history.check(self._nodes)
        self._checked = self._load.history.clock()
        if folds:
            wait_for_folds(self._nodes)
            wait_until(lambda: equal(self._nodes), "all count the same after the folds")
        self._tape.record(self._chance.choice(self._nodes))
        self._load.go()

    # -- the nodes and their states --------------------------------------------------------

    @property
    def _nodes(self) -> list[Node]:
        return list(self._cluster.nodes.values())

    @property
    def _up(self) -> list[Node]:
        return [node for node in self._nodes if node.running and node not in self._paused]

    @property
    def _down(self) -> list[Node]:
        return [node for node in self._nodes if not node.running]

    def _any(self, nodes: Iterable[Node]) -> Node | None:
        nodes = list(nodes)
        return self._chance.choice(nodes) if nodes else None

    def _spare(self) -> Node | None:
        """A node that may go down, because another one is up."""
        return self._any(self._up) if len(self._up) > 1 else None

    def _all_hear_all(self) -> bool:
        for node in self._down:
            node.start()
        try:
            return connected(self._nodes)
        except httpx.TransportError:  # A node was about to end.
            return False

    def _lose(self, node: Node) -> None:
        """The disk of `node` will be lost, with its keys: no client may send a view here again."""
        if node in self._load.targets:
            self._load.drop(node)
        if node in self._up and len(self._up) > 1 and not self._cut:
            wait_until(lambda: handed_over(node), f"all of {node.name} is elsewhere, too")
        else:
            self._lossy.add(node.url)
            self._load.history.new_disk(node.url)

    # -- processes -------------------------------------------------------------------------

    def _kill(self) -> bool:
        node = self._spare()
        if node:
            node.kill9()
        return bool(node)

    def _kill_and_start(self) -> bool:
        node = self._any(self._up)
        if node:
            node.restart()
        return bool(node)

    def _stop_and_start(self) -> bool:
        node = self._any(self._up)
        if node:
            assert node.stop() == 0, node.log
            node.start()
        return bool(node)

    def _start(self) -> bool:
        node = self._any(self._down)
        if node:
            node.start()
        return bool(node)

    def _drain(self) -> bool:
        return self._operate("/api/node/drain")

    def _leave(self) -> bool:
        return self._operate("/api/node/leave")

    def _operate(self, path: str) -> bool:
        node = self._spare()
        if node:
            assert node.post_json(path).status_code == 200
            assert node.wait() == 0, node.log
        return bool(node)

    def _pause(self) -> bool:
        node = self._spare()
        if node:
            node.pause()
            self._paused.append(node)
        return bool(node)

    def _resume(self) -> bool:
        if self._paused:
            self._paused.pop().resume()
            return True
        return False

    # -- links -----------------------------------------------------------------------------

    def _cut_off(self) -> None:
        self._cut = True
        self._cluster.cut_off(self._chance.choice(self._nodes).name, self._style())

    def _split(self) -> None:
        one, two, *others = self._shuffled()
        self._cut = True
        self._cluster.split(one + two, "".join(others), style=self._style())

    def _ring(self) -> None:
        one, two, three, four = self._shuffled()
        self._cut = True
        self._cluster.split(one, three, style=self._style())
        self._cluster.split(two, four, style=self._style())

    def _bridge(self) -> None:
        _, one, *others = self._shuffled()
        self._cut = True
        self._cluster.split(one, "".join(others), style=self._style())

    def _deafen(self) -> None:
        hearer, *others = self._shuffled()
        self._cut = True
        for speaker in others[: self._chance.randint(1, len(others))]:
            self._cluster.deafen(hearer, speaker)

    def _heal(self) -> bool:
        was_cut, self._cut = self._cut, False
        self._cluster.heal()
        return was_cut

    def _shuffled(self) -> list[str]:
        return self._chance.sample(sorted(self._cluster.nodes), len(self._cluster.nodes))

    def _style(self) -> Style:
        return self._chance.choice(["reset", "silence"])

    # -- disks -----------------------------------------------------------------------------

    def _back_up(self) -> bool:
        node = self._any(self._up)
        if node:
            folder = self._folder / f"backup-{next(self._numbers)}"
            node.back_up(folder)
            self._backups.append((node, folder))
        return bool(node)

    def _old_backup(self) -> bool:
        if not self._backups:
            return False
        node, folder = self._chance.choice(self._backups)
        return self._start_from(node, folder)

    def _empty_disk(self) -> bool:
        return self._start_from(self._chance.choice(self._nodes), None)

    def _start_from(self, node: Node, backup: Path | None) -> bool:
        if node in self._paused:
            return False
        self._lose(node)
        if node.running:
            node.kill9()
        node.lose_disk(backup)
        node.start()
        self._load.add(node)
        return True

    def _copy(self) -> bool:
        """Start a copy of a node beside the living original. Throw it away after a while."""
        node = self._spare()
        if not node or self._cut:
            return False
        name = f"copy-{next(self._numbers)}"
        node.back_up(self._folder / name)
        with Node(
            node.name, self._folder, data=str(self._folder / name), environ=node.environ
        ) as copy:
            copy.log_file = self._folder / f"{name}.log"
            copy.peers = [other.url for other in self._nodes if other is not node]
            copy.start()
            self._load.add(copy)
            assert node.wait() not in {0, 1}, node.log
            self._load.more(BETWEEN, [copy])
            self._load.drop(copy)
            # The copy hands over before it ends.
            assert copy.stop() == 0, copy.log
        return True

    # -- retirements -----------------------------------------------------------------------

    def _retire_the_dead(self) -> bool:
        if not self._down:
            self._kill()
        node, via = self._any(self._down), self._any(self._up)
        if not node or not via:
            return False
        self._lose(node)
        retired(via, node.name)
        return True

    def _retire_the_living(self) -> bool:
        """Retire a node by mistake: it is only cut off."""
        node = self._spare()
        via = self._any(other for other in self._up if other is not node)
        if not node or not via:
            return False
        self._cut = True
        self._cluster.cut_off(node.name)
        # The others may fold its slot without the views that it counts until it hears of this.
        self._lossy.add(node.url)
        retired(via, node.name)
        return True

    # -- messages --------------------------------------------------------------------------

    def _replay(self) -> bool:
        node = self._any(self._up)
        if node:
            self._tape.play(node)
        return bool(node)
