"""A cluster that tests may hurt: real nodes, links that they can cut, the balancer in front."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
from ratchet_server.demo import balancer
from ratchet_server.demo.machine import CLIPS

from testing.life import Ways
from testing.links import Links, Style
from testing.nodes import HOST, HTTP, Node, cluster, connected, equal, free_port, wait_until
from testing.processes import Process, end, start

CLIP: Final = CLIPS / "tide.webm"
# More than there are tests: each test takes a video that nobody has viewed.
VIDEOS: Final = 200


class Balancer:
    """HAProxy with the deployed configuration, or the stand-in where there is no HAProxy. Use it in
    a `with` statement: no process is left at its end."""

    def __init__(self, nodes: Mapping[str, Node], folder: Path) -> None:
        addresses = [f"{node.name}={HOST}:{node.port}" for node in nodes.values()]
        bind = f"{HOST}:{free_port()}"
        self.url = f"http://{bind}"
        self._command, description = balancer.choose(addresses, bind, folder)
        self._log = folder / "balancer.log"
        self._log.write_text(f"{description}\n")
        self._process: Process | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill9()

    def start(self) -> Self:
        """Start a process and wait until it serves."""
        self._process = start(self._command, self._log)
        try:
            wait_until(self._answers, "the balancer answers")
        except BaseException:
            self.kill9()
            raise
        return self

    def kill9(self) -> None:
        """The process is gone at once, and all connections through it break."""
        if self._process:
            end(self._process)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, f"the balancer has ended:\n{self._log.read_text()}"
        try:
            # It answers this itself: /readyz could reach a node that is frozen.
            return HTTP.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False


class Cluster:
    """Nodes a, b, c and perhaps more, in a full mesh of links, behind a balancer if it has one."""

    def __init__(self, nodes: dict[str, Node], ways: Ways, front: Balancer | None) -> None:
        self.a, self.b, self.c = nodes["a"], nodes["b"], nodes["c"]
        self.nodes = nodes
        self.front = front
        self.url = front.url if front else ""
        self._ways = ways

    def cut_off(self, name: str, style: Style = "reset") -> None:
        """Cut the node `name` off from all others. Browsers still reach it."""
        self._ways.cut_off(name, style)

    def split(self, *sides: str, style: Style = "reset") -> None:
        """Cut every node of one side ("ab") off from every node of the other sides ("c")."""
        self._ways.split(*sides, style=style)

    def deafen(self, hearer: str, speaker: str) -> None:
        """`hearer` receives nothing more from `speaker`, which still receives from `hearer`."""
        self._ways.deafen(hearer, speaker)

    def heal(self) -> None:
        """Make all links whole again. The nodes find each other when they dial next."""
        self._ways.heal()

    def revive(self) -> None:
        """Whatever a test has done, make every node run and connect to all others."""
        self.heal()
        for node in self.nodes.values():
            if node.running:
                node.resume()
            else:
                node.start()
        wait_until(lambda: connected(self.nodes.values()), "all nodes are connected again")

    def mend(self) -> None:
        """`revive`, and wait until all nodes count the same. Nobody may view meanwhile."""
        self.revive()
        wait_until(lambda: equal(self.nodes.values()), "all nodes count the same again")
        if self.url:
            self._wait_for_balancer()

    def turn_to(self, name: str) -> None:
        """Request pages from the balancer until it is the turn of the node `name`."""
        order = [self._who_answers() for _ in self.nodes]
        assert sorted(order) == sorted(self.nodes), f"the pages don't take turns: {order}"
        before = order[order.index(name) - 1]
        wait_until(lambda: self._who_answers() == before, f"the next turn is {name}'s")

    def _who_answers(self) -> str:
        # This page takes turns with all others. It has no numbers, so it costs the least.
        answer = HTTP.get(f"{self.url}/learn")
        return str(answer.headers.get("X-Ratchet-Node", "nobody"))

    def _wait_for_balancer(self) -> None:
        wait_until(
            lambda: {self._who_answers() for _ in self.nodes} == self.nodes.keys(),
            "the balancer sends pages to all nodes",
        )


@contextmanager
def running_cluster(
    folder: Path,
    names: str = "abc",
    *,
    flags: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    balanced: bool = True,
) -> Iterator[Cluster]:
    """A cluster with its data and logs in `folder`. All its processes end with the block."""
    with Links() as links:
        ways = Ways(links)
        environ = {"RATCHET_DISCOVER": "no", "RATCHET_PANEL": "yes", **(environ or {})}
        flags = ("--media", str(_media(folder / "media")), *flags)
        with (
            cluster(folder, names, route=ways.route, flags=flags, environ=environ) as nodes,
            Balancer(nodes, folder) if balanced else nullcontext() as front,
        ):
            whole = Cluster(nodes, ways, front)
            whole.mend()
            yield whole


def videos() -> Iterator[str]:
    """The ids in the catalogue, one after the other."""
    return (f"clip-{number:02}" for number in range(VIDEOS))


def list_with(site: str, video: str) -> str:
    """The page of the list of clips that begins at this video, or shortly before it."""
    return f"{site}/?after={video[:-1]}"


def _media(folder: Path) -> Path:
    folder.mkdir()
    for suffix in (".webm", ".webp"):
        first, *others = (folder / f"{video}{suffix}" for video in videos())
        shutil.copyfile(CLIP.with_suffix(suffix), first)
        for other in others:
            other.hardlink_to(first)
    return folder
