"""A real `ratchet demo` for tests, on ports of its own, at a terminal or without one."""

import fcntl
import os
import pty
import re
import socket
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from testing.nodes import HOST, HTTP, PATIENCE_S, free_port, wait_until
from testing.processes import Process, running

START_TIMEOUT_S: Final = 90.0
_PROGRAM: Final = """
import sys
from ratchet_server.demo import program, wires
nodes, first, page, control = map(int, sys.argv[1:5])
wire = wires.over(sys.argv[5]) if sys.argv[5] else wires.mesh
program.run(nodes, wire, first_port=first, balancer_port=page, control_port=control)
"""


class Demo:
    """A running demo, and the requests that a test sends to it."""

    def __init__(self, process: Process, output: Path, ports: Mapping[str, int], page: int) -> None:
        """Use `running_demo`."""
        self.process = process
        self.ports = ports
        self.page = f"http://{HOST}:{page}"
        self._output = output

    @property
    def printed(self) -> str:
        """All that it has printed so far."""
        return self._output.read_text()

    @property
    def control(self) -> str:
        """The address of its control, by which pages cut links and kill nodes."""
        found = re.search(r"control +(http://[0-9.:]+)/state", self.printed)
        assert found, self.printed
        return found[1]

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until it has printed `text` so many times."""

        def has_printed() -> bool:
            assert self.process.poll() is None, self.printed
            return self.printed.count(text) >= times

        wait_until(has_printed, f"the demo prints {text!r}", START_TIMEOUT_S)

    def act(self, node: str, action: str) -> httpx.Response:
        """Send the request that a page of the demo sends when somebody clicks."""
        headers = {"Origin": self.page, "Content-Type": "application/json"}
        return HTTP.post(f"{self.control}/nodes/{node}/{action}", headers=headers)

    def state(self) -> dict[str, Any]:
        """`GET /state`."""
        answer = HTTP.get(f"{self.control}/state")
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state

    def node(self, name: str) -> dict[str, Any]:
        """The part of `state` that is about this node."""
        found: dict[str, Any] = next(one for one in self.state()["nodes"] if one["name"] == name)
        return found

    def members(self) -> set[str]:
        """The names of the members of the cluster that have a slot."""
        cluster = self.state()["cluster"]
        return {one["node"] for one in cluster["members"] if one["slot"]} if cluster else set()

    def url(self, name: str) -> str:
        """A node's own address."""
        return f"http://{HOST}:{self.ports[name]}"

    def view(self, name: str, video: str) -> int:
        """Count one view at this node. Return how many there are now."""
        answer = HTTP.post(f"{self.url(name)}/api/videos/{video}/views")
        assert answer.status_code == 200, answer.text
        return int(answer.json()["views"])

    def views(self, name: str, video: str) -> int | None:
        """How many views this node shows; None if it doesn't answer with a number."""
        with suppress(httpx.TransportError):
            answer = HTTP.get(f"{self.url(name)}/api/videos/{video}")
            if answer.status_code == 200:
                return int(answer.json()["views"])
        return None

    def mend(self) -> None:
        """Heal all links and start all nodes. Wait until all are ready and connected, and until the
        balancer uses them all."""
        for node in self.state()["nodes"]:
            if node["cut"]:
                self.act(node["name"], "heal")
            if not node["running"]:
                self.act(node["name"], "start")
        wait_until(
            lambda: all(self.is_connected_to_all(name) for name in self.ports),
            "all nodes are ready and connected",
        )
        wait_until(
            lambda: all(map(self.is_passed_on_to, self.ports)), "the balancer uses all nodes"
        )

    def is_passed_on_to(self, name: str) -> bool:
        """Whether the balancer sends a request for this node to this node."""
        answer = HTTP.get(f"{self.page}/learn?node={name}")
        return bool(answer.headers.get("X-Ratchet-Node") == name)

    def is_connected_to_all(self, name: str) -> bool:
        """Whether this node is ready and connected to all others."""
        return self.node(name)["ready"] and self.connected_to(name) == self.ports.keys() - {name}

    def connected_to(self, name: str) -> set[str]:
        """The names of the nodes to which this node is connected."""
        with suppress(httpx.TransportError):
            peers = HTTP.get(f"{self.url(name)}/api/node").json()["peers"]
            return {peer["node"] for peer in peers if peer["connected"]}
        return set()

    def every_port(self) -> set[int]:
        """Every port on which the demo listens."""
        links = set()
        for name in self.ports:
            for peer in HTTP.get(f"{self.url(name)}/api/node").json()["peers"]:
                links.add(_port(peer["url"]))
        return {*self.ports.values(), *links, _port(self.page), _port(self.control)}

    def children(self) -> dict[int, str]:
        """The commands of its child processes, by process id. (Linux only.)"""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        found = {}
        for pid in map(int, listed.split()):
            with suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        return found


@contextmanager
def running_demo(
    folder: Path,
    nodes: int = 3,
    *,
    environ: Mapping[str, str] | None = None,
    control: int | None = None,
    bus: str = "",
    python: str | None = None,
) -> Iterator[Demo]:
    """A demo in `folder` that has started. All its processes end with the `with` statement.

    `bus`: its URL; otherwise websockets join the nodes. `python`: that of another environment, in
    which the demo is installed; the nodes serve the page that is in there."""
    with _started(folder, nodes, environ, control, bus, python) as demo:
        yield demo


@contextmanager
def demo_as_a_job(folder: Path, nodes: int = 3) -> Iterator[Demo]:
    """The same as a job of this process, as a shell runs it: it can be stopped and continued."""
    with _started(folder, nodes, start_new_session=False, process_group=0) as demo:
        yield demo


@contextmanager
def demo_at_a_terminal(folder: Path, nodes: int = 3) -> Iterator[tuple[Demo, int]]:
    """The same at a terminal. What a test writes to the file descriptor is typed there."""
    typed, terminal = pty.openpty()

    def take_the_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    try:
        with _started(folder, nodes, stdin=terminal, preexec_fn=take_the_terminal) as demo:
            yield demo, typed
    finally:
        os.close(terminal)
        os.close(typed)


@contextmanager
def _started(
    folder: Path,
    nodes: int,
    environ: Mapping[str, str] | None = None,
    control: int | None = None,
    bus: str = "",
    python: str | None = None,
    **options: Any,
) -> Iterator[Demo]:
    first = _free_ports(nodes)
    ports = {chr(ord("a") + index): first + index for index in range(nodes)}
    page = free_port()
    numbers = [nodes, first, page, control or free_port()]
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("RATCHET_") or (key == "RATCHET_PAGE" and not python)
    }

    output = folder / "demo.out"
    with running(
        [python or sys.executable, "-c", _PROGRAM, *map(str, numbers), bus],
        output,
        kept | dict(environ or {}),
        # Its nodes may be slow to end. When the demo is killed, its nodes end, too.
        patience_s=PATIENCE_S,
        cwd=folder,
        **options,
    ) as process:
        demo = Demo(process, output, ports, page)
        demo.wait_for("Ctrl-C stops everything")
        yield demo


def is_free(port: int) -> bool:
    """Whether a demo can listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    while True:
        first = free_port()
        if all(is_free(first + index) for index in range(count)):
            return first


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
