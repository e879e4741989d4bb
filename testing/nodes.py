"""Real nodes for tests: processes that a test starts, stops, kills and pauses. They surely end."""

import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
from ratchet_server.counting.datadir import DATABASE

from testing import described, processes
from testing.forked import Forked

PATIENCE_S: Final = 30.0
_LOOK_S: Final = 0.02

HOST: Final = "127.0.0.1"
# One client for all, because making one takes longer than many requests. It keeps no connections,
# because nodes come and go.
HTTP: Final = described.Client(
    timeout=PATIENCE_S, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)
# The same, for nodes of another version: what they send is described elsewhere.
_PLAIN: Final = httpx.Client(
    timeout=PATIENCE_S, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as `holds()` is true. Fail after `timeout_s`, with `what` in the message."""
    end = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(_LOOK_S)


# Where tests look for ports: below those that the system gives to outgoing connections.
_PORTS: Final = range(20_000, 32_000)
# What a test may use above a port that it was given.
_NEXT: Final = 10
# What this process was given lately, and may only use later.
_recent: Final[deque[int]] = deque(maxlen=50)


def free_port() -> int:
    """A port that nobody listens on, and that stays free while a node is down. The next ones are
    this process's, too.

    The system's choice for port 0 would not do: it gives those ports to outgoing connections, too,
    so a client could take the port of a node that restarts. Tests that run side by side look in
    parts of their own: otherwise one could take a port that another was given, and uses later.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = len(_PORTS) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for port in random.sample(_PORTS[worker * share : (worker + 1) * share - _NEXT], share // 2):
        if any(abs(port - other) < _NEXT for other in _recent):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        _recent.append(port)
        return port
    raise AssertionError("no port is free")


class Node:
    """One node, and its process while it has one.

    Its data and its log are in `folder`; all its processes append to the one log. Use it in a
    `with` statement: no process is left at its end.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        peers: Sequence[str] = (),
        flags: Sequence[str] = ("--open",),
        environ: Mapping[str, str] | None = None,
        port: int | None = None,
        data: str | None = None,
        files: tuple[int, int] | None = None,
        stdout: int | None = None,
        forked: bool = True,
    ) -> None:
        """`files`: how many files the system lets it open, softly and at the most.
        `stdout`: where it prints, if not to its log. `forked`: whether its processes are
        `Forked`. Otherwise, and with a `stdout` or PYTHONPATH, each is a Python of its own."""
        self.name = name
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.peers = list(peers)
        self.flags = list(flags)
        self.environ = dict(environ or {})
        self.data = data or str(folder / name)
        self.files = files
        self.stdout = stdout
        self.forked = forked and stdout is None
        self.log_file = folder / f"{name}.log"
        self.process: processes.Process | Forked | None = None
        self._log_start = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process:
            self.kill9()

    # -- its process -----------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The id of the process that runs, or ran last."""
        assert self.process, f"{self.name} was never started"
        return self.process.pid

    @property
    def log(self) -> str:
        """All that the process that runs, or ran last, has printed and logged."""
        with self.log_file.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode()

    @property
    def running(self) -> bool:
        """Whether it has a process."""
        return self.process is not None and self.process.poll() is None

    def spawn(self) -> Self:
        """Start a process, and don't wait for it."""
        assert not self.running, f"{self.name} runs already"
        command = ["node", "--name", self.name, "--port", str(self.port), "--data", self.data]
        command += [*self.flags, *(word for peer in self.peers for word in ("--peer", peer))]
        # Keep out the settings in our own environment, except for the page that is to be tested.
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("RATCHET_") or key == "RATCHET_PAGE"
        }
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        environ = kept | self.environ
        if self.forked and "PYTHONPATH" not in self.environ:
            self.process = Forked(command, self.log_file, environ, self.files)
            return self
        limits, stdout = self.files, self.stdout
        self.process = processes.start(
            [sys.executable, "-m", "ratchet_server", *command],
            self.log_file,
            environ,
            preexec_fn=limits and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)),
            **({} if stdout is None else {"stdout": stdout}),
        )
        return self

    def start(self) -> Self:
        """Start a process and wait until it serves."""
        self.spawn()
        self.wait_for_log("ready: ")
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal, SIGTERM by default, and wait. Return the exit code."""
        assert self.process, f"{self.name} was never started"
        self.process.send_signal(number)
        return self.wait()

    def kill9(self) -> None:
        """The process is gone at once, as if the power had failed for it alone."""
        assert self.process, f"{self.name} was never started"
        processes.end(self.process)

    def restart(self) -> Self:
        """Kill it if it runs, and start it on the same port and data."""
        if self.running:
            self.kill9()
        return self.start()

    def pause(self) -> None:
        """Stop the process by SIGSTOP: it keeps its connections and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> int:
        """Wait until the process ends. Return the exit code; negative: killed by that signal."""
        assert self.process, f"{self.name} was never started"
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} doesn't end:\n{self.log}") from None

    def wait_for_log(self, text: str) -> None:
        """Wait until `text` is in its log. Fail if the process ends before."""

        def logged() -> bool:
            if text in self.log:
                return True
            assert self.running, f"{self.name} has ended and didn't log {text!r}:\n{self.log}"
            return False

        wait_until(logged, f"{self.name} logs {text!r}")

    # -- its disk --------------------------------------------------------------------------

    def back_up(self, to: Path) -> None:
        """Write a backup of its database into `to`, a new folder that can be a data folder."""
        to.mkdir()
        with closing(sqlite3.connect(Path(self.data) / DATABASE)) as database:
            database.execute("VACUUM INTO ?", [str(to / DATABASE)])

    def lose_disk(self, backup: Path | None = None) -> None:
        """Delete its data while it is down; or replace it by a `backup` from `back_up`."""
        assert not self.running, f"{self.name} is running"
        shutil.rmtree(self.data)
        if backup:
            shutil.copytree(backup, self.data)

    # -- requests to it --------------------------------------------------------------------

    @property
    def _http(self) -> httpx.Client:
        return _PLAIN if "PYTHONPATH" in self.environ else HTTP

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """GET `path`."""
        return self._http.get(self.url + path, headers=headers)

    def post(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """POST to `path`, without a body."""
        return self._http.post(self.url + path, headers=headers)

    def post_json(self, path: str, **fields: object) -> httpx.Response:
        """POST these fields as JSON to `path`, as an operator does."""
        return self._http.post(self.url + path, json=fields)

    def view(self, video: str) -> int:
        """Count one view. Return how many there are now."""
        response = self.post(f"/api/videos/{video}/views")
        assert response.status_code == 200, response.text
        return int(response.json()["views"])

    def views(self, video: str) -> int:
        """How many views it shows."""
        response = self.get(f"/api/videos/{video}")
        assert response.status_code == 200, response.text
        return int(response.json()["views"])

    @property
    def digest(self) -> str:
        """Equal on two nodes exactly when their counts are equal."""
        return str(self.get("/api/node").json()["digest"])

    @property
    def slot(self) -> str | None:
        """The slot of its process; None while it is not open."""
        generation = self.get("/api/node").json()["generation"]
        return f"{self.name}@{generation}" if generation else None

    @property
    def memory_kib(self) -> int:
        """The resident memory of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if "VmRSS" in line).split()[1])


# From the dialling node and the dialled one to the URL to dial: for links through a proxy.
Route = Callable[[Node, Node], str]


@contextmanager
def cluster(
    folder: Path,
    names: Sequence[str] = ("a", "b", "c"),
    *,
    route: Route = lambda _dialler, dialled: dialled.url,
    advertise: Callable[[Node], str] | None = None,
    flags: Sequence[str] = ("--open",),
    environ: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Node]]:
    """A full mesh of nodes that serve. All are ended at the end of the `with` statement."""
    with ExitStack() as stack:
        nodes = {
            name: stack.enter_context(Node(name, folder, flags=flags, environ=environ))
            for name in names
        }
        for dialler in nodes.values():
            dialler.peers = [route(dialler, node) for node in nodes.values() if node is not dialler]
            if advertise:
                dialler.flags += ["--advertise", advertise(dialler)]
        for node in nodes.values():
            node.spawn()
        for node in nodes.values():
            node.wait_for_log("ready: ")
        wait_until(lambda: connected(nodes.values()), "all nodes are connected")
        yield nodes


def connected(nodes: Iterable[Node]) -> bool:
    """Whether each of these is connected to each of the others."""
    nodes = list(nodes)
    return all(
        {node.name for node in nodes} - {one.name}
        <= {peer["node"] for peer in one.get("/api/node").json()["peers"] if peer["connected"]}
        for one in nodes
    )


def pending(node: Node) -> int:
    """How many views are pending at a node."""
    return int(node.get("/api/cluster").json()["pending"]["views"])


def equal(nodes: Iterable[Node]) -> bool:
    """Whether all of these have the same counts."""
    return len({node.digest for node in nodes}) == 1
