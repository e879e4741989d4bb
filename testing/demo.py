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
from ratchet_server.demo import command
nodes, first, page, control = map(int, sys.argv[1:])
sys.exit(command.run(nodes, first_port=first, balancer_port=page, control_port=control))
"""


class Demo:
    """A demo that runs, and what can be asked of it."""

    def __init__(self, process: Process, output: Path, ports: Mapping[str, int], page: int) -> None:
        """Use `running_demo`."""
        self.process = process
        self.ports = ports
        self.page = f"http://{HOST}:{page}"
        self._output = output

    @property
    def said(self) -> str:
        """All that it has told the person in front of it."""
        return self._output.read_text()

    @property
    def control(self) -> str:
        """Where pages cut and kill."""
        found = re.search(r"control +(http://[0-9.:]+)/state", self.said)
        assert found, self.said
        return found[1]

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until it has said this, so often."""

        def is_said() -> bool:
            assert self.process.poll() is None, self.said
            return self.said.count(text) >= times

        wait_until(is_said, f"the demo says {text!r}", START_TIMEOUT_S)

    def order(self, node: str, what: str) -> httpx.Response:
        """What a page of the demo does when somebody clicks."""
        headers = {"Origin": self.page, "Content-Type": "application/json"}
        return HTTP.post(f"{self.control}/nodes/{node}/{what}", headers=headers)

    def state(self) -> dict[str, Any]:
        """`GET /state`."""
        answer = HTTP.get(f"{self.control}/state")
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state

    def node(self, name: str) -> dict[str, Any]:
        """What `state` tells of this node."""
        found: dict[str, Any] = next(one for one in self.state()["nodes"] if one["name"] == name)
        return found

    def members(self) -> set[str]:
        """The nodes that the cluster counts on."""
        cluster = self.state()["cluster"]
        return {one["node"] for one in cluster["members"] if one["slot"]} if cluster else set()

    def url(self, name: str) -> str:
        """A node's own address."""
        return f"http://{HOST}:{self.ports[name]}"

    def view(self, name: str, video: str) -> int:
        """Count one view there; how many there are now."""
        answer = HTTP.post(f"{self.url(name)}/api/videos/{video}/views")
        assert answer.status_code == 200, answer.text
        return int(answer.json()["views"])

    def views(self, name: str, video: str) -> int | None:
        """How many views this node shows, if it shows any."""
        with suppress(httpx.TransportError):
            answer = HTTP.get(f"{self.url(name)}/api/videos/{video}")
            if answer.status_code == 200:
                return int(answer.json()["views"])
        return None

    def mend(self) -> None:
        """Every node runs, is ready, and hears the others; and the balancer knows it."""
        for node in self.state()["nodes"]:
            if node["cut"]:
                self.order(node["name"], "heal")
            if not node["running"]:
                self.order(node["name"], "start")
        wait_until(lambda: all(self.hears_all(name) for name in self.ports), "all hear all")
        wait_until(lambda: all(map(self.is_passed_on_to, self.ports)), "the balancer uses all")

    def is_passed_on_to(self, name: str) -> bool:
        """Whether the balancer sends to this node whoever asks for it."""
        answer = HTTP.get(f"{self.page}/learn?node={name}")
        return bool(answer.headers.get("X-Ratchet-Node") == name)

    def hears_all(self, name: str) -> bool:
        """Whether this node is ready and connected to all others."""
        return self.node(name)["ready"] and self.hears(name) == self.ports.keys() - {name}

    def hears(self, name: str) -> set[str]:
        """To whom this node is connected."""
        with suppress(httpx.TransportError):
            peers = HTTP.get(f"{self.url(name)}/api/node").json()["peers"]
            return {peer["node"] for peer in peers if peer["connected"]}
        return set()

    def every_port(self) -> set[int]:
        """Where anything of it listens."""
        links = set()
        for name in self.ports:
            for peer in HTTP.get(f"{self.url(name)}/api/node").json()["peers"]:
                links.add(_port(peer["url"]))
        return {*self.ports.values(), *links, _port(self.page), _port(self.control)}

    def children(self) -> dict[int, str]:
        """Its processes and their commands. (Linux.)"""
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
) -> Iterator[Demo]:
    """A demo in a folder of its own, which has introduced itself. Nothing of it runs on."""
    with _started(folder, nodes, environ, control, terminal=None) as demo:
        yield demo


@contextmanager
def demo_at_a_terminal(folder: Path, nodes: int = 3) -> Iterator[tuple[Demo, int]]:
    """The same, and a terminal's other side: what is written to this file is typed."""
    typed, terminal = pty.openpty()
    try:
        with _started(folder, nodes, None, None, terminal=terminal) as demo:
            yield demo, typed
    finally:
        os.close(terminal)
        os.close(typed)


@contextmanager
def _started(
    folder: Path,
    nodes: int,
    environ: Mapping[str, str] | None,
    control: int | None,
    *,
    terminal: int | None,
) -> Iterator[Demo]:
    first = _free_ports(nodes)
    ports = {chr(ord("a") + index): first + index for index in range(nodes)}
    page = free_port()
    numbers = [nodes, first, page, control or free_port()]
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("RATCHET_") or key == "RATCHET_PAGE"
    }

    def take_the_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    at_terminal = {} if terminal is None else {"stdin": terminal, "preexec_fn": take_the_terminal}
    output = folder / "demo.out"
    with running(
        [sys.executable, "-c", _PROGRAM, *map(str, numbers)],
        output,
        kept | dict(environ or {}),
        # Its nodes may be slow to end. Killed, it takes them along.
        patience_s=PATIENCE_S,
        cwd=folder,
        **at_terminal,
    ) as process:
        demo = Demo(process, output, ports, page)
        demo.wait_for("Ctrl-C stops everything")
        yield demo


def is_free(port: int) -> bool:
    """Whether a demo can have it."""
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
    """The first of so many in a row that are free."""
    while True:
        first = free_port()
        if all(is_free(first + index) for index in range(count)):
            return first


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
