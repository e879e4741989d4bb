"""`ratchet demo`: real nodes, a balancer and the page on this machine, in the foreground.

Everything it starts it also ends: on Ctrl-C, SIGTERM and SIGHUP in order, and on its own violent
death through the kernel (see child.py). What was counted stays in the data folder for the next run.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import shlex
import signal
import socket
import string
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ratchet_server import balancer
from ratchet_server.bell import Bell
from ratchet_server.child import Child

HOST = "127.0.0.1"
FIRST_PORT = 1234
BALANCER_PORT = 8080
MOST_NODES = 16
# Below the folder where one stands: to be seen, and to be removed for a new start.
DATA = Path("data/demo")
READY_TIMEOUT_S = 60.0
# A node drains for less than this; one that takes longer is stuck.
STOP_TIMEOUT_S = 10.0
POLL_S = 0.2
# These the demo says itself, as flags; from the environment they would be the same for all nodes.
_OWN_SETTINGS = ("NAME", "HOST", "PORT", "DATA", "PEER", "ADVERTISE", "MEDIA")


class DemoError(Exception):
    """Why the demo can't run, and how to mend it, in one line."""


class Stopped(Exception):
    """Somebody wants the demo to end."""


def run(
    nodes: int,
    *,
    first_port: int = FIRST_PORT,
    balancer_port: int = BALANCER_PORT,
    data: Path = DATA,
) -> int:
    """Runs the demo until somebody stops it; returns the exit code."""
    try:
        if not 1 <= nodes <= MOST_NODES:
            raise DemoError(f"--nodes is 1 to {MOST_NODES}, not {nodes}")
        ports = [first_port + index for index in range(nodes)]
        with _sole_demo(data, balancer_port), Bell() as bell:
            _check_ports([*ports, balancer_port])
            _Demo(bell, data, ports, balancer_port).run()
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


class _Demo:
    """The running demo: its children, and what it tells the person in front of it."""

    def __init__(self, bell: Bell, data: Path, ports: Sequence[int], balancer_port: int) -> None:
        self._bell = bell
        self._data = data
        self._logs = data / "logs"
        self._logs.mkdir(exist_ok=True)
        self._media = _media()
        self._nodes = [self._node(index, ports) for index in range(len(ports))]
        self._ports = {node.name: port for node, port in zip(self._nodes, ports, strict=True)}
        self._page = f"{HOST}:{balancer_port}"
        chosen = balancer.choose([f"{HOST}:{port}" for port in ports], self._page, data)
        self._description = chosen.description
        self._balancer = Child("balancer", chosen.command, _environ(), self._logs / "balancer.log")

    @property
    def _all(self) -> list[Child]:
        return [*self._nodes, self._balancer]

    def _node(self, index: int, ports: Sequence[int]) -> Child:
        name = string.ascii_lowercase[index]
        command = [sys.executable, "-m", "ratchet_server", "node", "--name", name, "--host", HOST]
        command += ["--port", str(ports[index]), "--data", str(self._data / name)]
        command += ["--media", str(self._media)]
        for port in ports:
            if port != ports[index]:
                command += ["--peer", f"http://{HOST}:{port}"]
        return Child(name, command, _environ(), self._logs / f"{name}.log")

    def run(self) -> None:
        try:
            with contextlib.suppress(Stopped):
                self._start()
                self._introduce()
                self._look_after()
        finally:
            self._stop()

    def _start(self) -> None:
        _say(f"Starting {len(self._nodes)} nodes and {self._description} ...")
        deadline = time.monotonic() + READY_TIMEOUT_S
        for child in self._all:
            child.start()
        waiting = {child.name: child for child in self._all}
        while waiting:
            self._wait()
            for child in list(waiting.values()):
                if not child.running:
                    raise DemoError(f"{_title(child)} {child.how_it_ended()}. {_log_of(child)}")
                if self._is_ready(child):
                    del waiting[child.name]
                elif time.monotonic() > deadline:
                    late = f"is not ready after {READY_TIMEOUT_S:.0f} s"
                    raise DemoError(f"{_title(child)} {late}. {_log_of(child)}")

    def _is_ready(self, child: Child) -> bool:
        """A node says so itself; the balancer is ready when a page comes through it."""
        port = self._ports.get(child.name)
        return _answers(f"{HOST}:{port}" if port else self._page, "/readyz")

    def _introduce(self) -> None:
        lines = ["", f"{_bold('Ratchet is running:')}  {_bold(f'http://{self._page}')}", ""]
        for node in self._nodes:
            address = f"http://{HOST}:{self._ports[node.name]}"
            lines.append(f"  node {node.name}    {address}    pid {node.pid}")
        first = next(iter(self._ports.values()))
        lines += [
            f"  cluster   http://{HOST}:{first}/cluster   who counts, and who has what",
            f"  balancer  {self._description}",
            f"  data      {self._data}   (kept for the next demo; remove it to start anew)",
            f"  logs      {self._logs}",
            "",
            _bold("Try this:"),
            "  1. Open the page in two browsers and play a clip: the number rises in both.",
            "  2. Reload. Each time another node answers, and the number never goes down.",
            f"     http://{self._page}/watch/{_some_video(self._media)}?debug shows who answered.",
        ]
        if len(self._nodes) > 1:
            how = "press Enter" if self._bell.listens else "you will see how"
            lines += [
                f"  3. Crash a node: kill -9 {self._nodes[-1].pid}   The page goes on.",
                f"     Start it again ({how}): it is back with every view that it has answered.",
                f"     The cluster's page shows it all: http://{HOST}:{first}/cluster",
            ]
        _say("\n".join([*lines, "", "Ctrl-C stops everything.", ""]))

    def _look_after(self) -> None:
        """Reports who dies and who is back, and starts the dead again when asked to."""
        dead: set[str] = set()
        starting: set[str] = set()
        while True:
            self._wait()
            for child in self._all:
                if not child.running and child.name not in dead:
                    dead.add(child.name)
                    starting.discard(child.name)
                    self._report(child)
                elif child.name in starting and self._is_ready(child):
                    starting.remove(child.name)
                    _say(f"{_title(child)} is ready again, pid {child.pid}.")
            if self._bell.lines:
                self._bell.lines = 0
                for child in self._all:
                    if child.name in dead:
                        child.start()
                starting |= dead
                dead.clear()

    def _report(self, child: Child) -> None:
        _say(f"{_title(child)} (pid {child.pid}) {child.how_it_ended()}. {_log_of(child)}")
        if self._bell.listens:
            _say("Press Enter to start it again.")
        else:
            _say(f"To start it again:\n  {shlex.join(child.command)}")

    def _wait(self) -> None:
        if not self._bell.stop:
            self._bell.wait(POLL_S)
        if self._bell.stop:
            raise Stopped

    def _stop(self) -> None:
        """Ends everything, the balancer first: then nobody is sent to a node that is going."""
        if any(child.running for child in self._all):
            _say("\nStopping ...")
        impatient = self._bell.stop + 1
        self._balancer.send(signal.SIGTERM)
        # Twice: there is no balancer any more that would have to be told, and no node that stays.
        for number in (signal.SIGTERM, signal.SIGINT):
            for child in self._nodes:
                child.send(number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(child.running for child in self._all):
            if time.monotonic() > deadline or self._bell.stop >= impatient:
                break
            self._bell.wait(POLL_S)
        for child in self._all:
            if child.running:
                _say(f"{_title(child)} (pid {child.pid}) did not stop by itself and is killed.")
                child.send(signal.SIGKILL)
        while any(child.running for child in self._all):
            self._bell.wait(POLL_S)
        _say(f"Nothing is left running. The counts are kept in {self._data}.")


@contextlib.contextmanager
def _sole_demo(data: Path, balancer_port: int) -> Iterator[None]:
    """The data folder, ours alone while we run. The lock goes with the process, however it ends."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("a+", encoding="ascii")
    except OSError as error:
        fix = "run the demo from a folder where you may write"
        raise DemoError(f"can't write to {data} ({error.strerror}): {fix}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            where = f"http://{HOST}:{balancer_port}"
            fix = "stop it with Ctrl-C where it runs, or use it"
            raise DemoError(f"the demo is already running ({where}, pid {pid}): {fix}") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _check_ports(ports: Sequence[int]) -> None:
    """Finds a taken port before anything is started."""
    for port in ports:
        with socket.socket() as probe:
            # Without it the leftovers of an earlier demo's connections count as taken for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except (OSError, OverflowError) as error:
                fix = f"stop the program that uses it (`lsof -i :{port}` names it) and start again"
                raise DemoError(f"port {port} on {HOST} is taken: {fix}") from error


def _answers(address: str, path: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _environ() -> dict[str, str]:
    own = {f"RATCHET_{setting}" for setting in _OWN_SETTINGS}
    kept = {key: value for key, value in os.environ.items() if key not in own}
    # Slots are folded so soon that one can watch it.
    return {"RATCHET_FOLD_GRACE": "30", **kept, "PYTHONUNBUFFERED": "1"}


def _media() -> Path:
    """The clips: where RATCHET_MEDIA says, else the repository's folder."""
    named = os.environ.get("RATCHET_MEDIA")
    folder = Path(named) if named else Path(__file__).parents[3] / "media"
    if not (folder / "catalogue.toml").is_file():
        fix = "set RATCHET_MEDIA to a folder with clips and their catalogue.toml"
        raise DemoError(f"there is no catalogue in {folder}: {fix}")
    return folder


def _some_video(media: Path) -> str:
    try:
        return next(iter(tomllib.loads((media / "catalogue.toml").read_text(encoding="utf-8"))))
    except (OSError, ValueError, StopIteration):
        return "VIDEO"


def _title(child: Child) -> str:
    return f"node {child.name}" if len(child.name) == 1 else f"the {child.name}"


def _log_of(child: Child) -> str:
    lines = child.last_lines()
    if not lines:
        return f"It wrote nothing ({child.log})."
    return f"Its last lines ({child.log}):\n" + "\n".join(f"  | {line}" for line in lines)


def _bold(text: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[1m{text}\x1b[0m"


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        # Whoever read this is gone (`ratchet demo | head`). The children still have to be stopped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
