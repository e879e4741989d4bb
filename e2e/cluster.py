"""A cluster to be hurt: real nodes, links that can be cut, and the balancer in front."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import combinations
from pathlib import Path
from typing import Final

import httpx
from ratchet_server.demo import balancer

from testing.links import Link, Links, Style
from testing.nodes import HOST, HTTP, Node, cluster, connected, equal, free_port, wait_until
from testing.processes import Process, running

CLIP: Final = Path(__file__).parents[1] / "media" / "tide.webm"
# More than there are tests: each takes a video that nobody has viewed.
VIDEOS: Final = 200


class Cluster:
    """Nodes a, b, c and perhaps more, in a full mesh of links, behind `url` if it has one."""

    def __init__(
        self, nodes: dict[str, Node], links: dict[tuple[str, str], Link], url: str | None
    ) -> None:
        self.a, self.b, self.c = nodes["a"], nodes["b"], nodes["c"]
        self.nodes = nodes
        self.url = url or ""
        self._links = links

    def cut_off(self, name: str, style: Style = "reset") -> None:
        """No other node hears `name` any more, nor does it hear them; browsers reach it still."""
        for ends, link in self._links.items():
            if name in ends:
                link.cut(style)

    def split(self, *sides: str, style: Style = "reset") -> None:
        """No node of one side ("ab") hears one of another side ("c"), nor does that hear it."""
        for side, other in combinations(sides, 2):
            for ends, link in self._links.items():
                if (ends[0] in side and ends[1] in other) or (ends[0] in other and ends[1] in side):
                    link.cut(style)

    def deafen(self, hearer: str, speaker: str) -> None:
        """`hearer` hears `speaker` no more, on whichever connection; `speaker` hears it still."""
        self._links[speaker, hearer].mute("there")
        self._links[hearer, speaker].mute("back")

    def heal(self) -> None:
        """All links are whole again. The nodes find each other when they dial next."""
        for link in self._links.values():
            link.heal()

    def revive(self) -> None:
        """Whatever a test has done: every node runs and hears all others."""
        self.heal()
        for node in self.nodes.values():
            if node.running:
                node.resume()
            else:
                node.start()
        wait_until(lambda: connected(self.nodes.values()), "all nodes are connected again")

    def mend(self) -> None:
        """The same, and all count the same: nobody views meanwhile."""
        self.revive()
        wait_until(lambda: equal(self.nodes.values()), "all nodes count the same again")
        if self.url:
            self._wait_for_balancer()

    def turn_to(self, name: str) -> None:
        """Ask the balancer for pages until the next one's turn is `name`'s."""
        order = [self._who_answers() for _ in self.nodes]
        assert sorted(order) == sorted(self.nodes), f"the pages don't take turns: {order}"
        before = order[order.index(name) - 1]
        wait_until(lambda: self._who_answers() == before, f"the next turn is {name}'s")

    def _who_answers(self) -> str:
        # A page without numbers: it takes turns with all others, and costs the least.
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
    """A cluster whose data and logs are in `folder`; nothing of it runs on afterwards."""
    links: dict[tuple[str, str], Link] = {}
    with Links() as opened:

        def route(dialler: Node, dialled: Node) -> str:
            link = links[dialler.name, dialled.name] = opened.open(dialled.port)
            return link.url

        # They would dial the addresses that they tell each other, around every cut link.
        environ = {"RATCHET_DISCOVER": "no", "RATCHET_PANEL": "yes", **(environ or {})}
        flags = ("--media", str(_media(folder / "media")), *flags)
        with (
            cluster(folder, names, route=route, flags=flags, environ=environ) as nodes,
            _balancer(nodes, folder) if balanced else nullcontext() as url,
        ):
            whole = Cluster(nodes, links, url)
            whole.mend()
            yield whole


def videos() -> Iterator[str]:
    """The ids in the catalogue, one after the other."""
    return (f"clip-{number:02}" for number in range(VIDEOS))


def _media(folder: Path) -> Path:
    folder.mkdir()
    for suffix in (".webm", ".webp"):
        first, *others = (folder / f"{video}{suffix}" for video in videos())
        shutil.copyfile(CLIP.with_suffix(suffix), first)
        for other in others:
            other.hardlink_to(first)
    return folder


@contextmanager
def _balancer(nodes: dict[str, Node], folder: Path) -> Iterator[str]:
    """HAProxy with the configuration that is deployed; where there is none, the stand-in."""
    addresses = [f"{node.name}={HOST}:{node.port}" for node in nodes.values()]
    bind = f"{HOST}:{free_port()}"
    chosen = balancer.choose(addresses, bind, folder)
    log = folder / "balancer.log"
    log.write_text(f"{chosen.description}\n")
    with running(chosen.command, log) as process:
        url = f"http://{bind}"
        wait_until(lambda: _answers(process, url, log), "the balancer answers")
        yield url


def _answers(process: Process, url: str, log: Path) -> bool:
    assert process.poll() is None, f"the balancer has ended:\n{log.read_text()}"
    try:
        return HTTP.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
