"""One round: viewers, a fault, healing, and the verdict. Each round has videos of its own."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from ratchet_server.client import Client
from ratchet_server.operator.torture.agreement import agreed, answered
from ratchet_server.operator.torture.history import End, History
from ratchet_server.operator.torture.judge import Verdict, judge
from ratchet_server.operator.torture.load import Load, Target

from e2e.cluster import Cluster, running_cluster
from testing.links import Link, Links
from testing.nodes import Node, connected, wait_until
from torture.faults import FAULTS, PATIENCE_S, Scene, hold
from torture.schedule import Planned

# A frozen node answers nothing: after this time a viewer tries again.
_ATTEMPT_S: Final = 2.0
# How long connected nodes may need until all show what was answered.
_AGREE_S: Final = 30.0
# How many views are answered before and after a fault.
_SOME: Final = 20
_VIDEOS: Final = 6
# Slots that were closed are folded while the torture goes on. No fault lasts as long as the grace.
ENVIRON: Final = {"RATCHET_FOLD_GRACE": "60"}


class Options(NamedTuple):
    """How much load there is, and where retries go."""

    rate: float
    viewers: int
    same_node: bool


class Torture:
    """A cluster and its addresses. `play` may be called again and again."""

    def __init__(
        self,
        cluster: Cluster,
        doors: Mapping[str, Link],
        nodes: Sequence[Target],
        front: Target,
        options: Options,
    ) -> None:
        """`nodes`: the targets behind the `doors`. `front`: the balancer."""
        self._cluster = cluster
        self._doors = doors
        self._nodes = nodes
        self._front = front
        self._options = options

    def play(self, planned: Planned, history: History) -> Verdict:
        """One round, all of which goes into `history`. Raises any error if the cluster doesn't get
        over the fault."""
        videos = [f"round-{planned.number}-{number}" for number in range(_VIDEOS)]
        load = Load(
            history,
            [*self._nodes, self._front],
            videos,
            viewers=self._options.viewers,
            rate=self._options.rate,
            seed=planned.seed,
            same_node=self._options.same_node,
        )

        def settle() -> list[End]:
            return agreed(self._nodes, videos, _AGREE_S, answered(history))

        with load, TemporaryDirectory() as folder:
            chance = random.Random(planned.seed)
            nodes = [*self._cluster.nodes.values()]
            scene = Scene(
                self._cluster, load, history, self._doors, chance, Path(folder), settle, nodes
            )  # fmt: skip
            _more(load)
            with FAULTS[planned.fault](scene):
                hold()
            wait_until(lambda: connected(nodes), "all nodes are connected again", PATIENCE_S)
            _more(load)
            load.rest(PATIENCE_S)
        history.events += settle()
        return judge(history.events)


@contextmanager
def tortured(folder: Path, options: Options) -> Iterator[Torture]:
    """Four nodes behind the balancer. Their data and logs are in `folder`."""
    with (
        running_cluster(folder, "abcd", flags=("--open",), environ=ENVIRON) as cluster,
        Links() as links,
        ExitStack() as stack,
    ):

        def client(url: str) -> Client:
            return stack.enter_context(Client(url, timeout_s=_ATTEMPT_S))

        doors = {name: links.open(node.port) for name, node in cluster.nodes.items()}
        nodes = [
            Target(node.name, client(doors[node.name].url), lambda node=node: _process(node))  # type: ignore[misc]
            for node in cluster.nodes.values()
        ]
        # The balancer sends a retry elsewhere while its first node is down.
        front = Target("balancer", client(cluster.url), keeps_keys=False)
        yield Torture(cluster, doors, nodes, front, options)


def _process(node: Node) -> str:
    return f"{node.name}/{node.pid}"


def _more(load: Load) -> None:
    """Wait for some more answers."""
    goal = load.answered + _SOME
    wait_until(lambda: load.failed or load.answered >= goal, f"{_SOME} answers", PATIENCE_S)
