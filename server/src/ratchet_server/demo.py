"""`ratchet demo`: real nodes, a balancer and the page on this machine, in the foreground.

Everything it starts it also ends: on Ctrl-C, SIGTERM and SIGHUP in order, and on its own violent
death through the kernel (see child.py). What was counted stays in the data folder for the next run.

The nodes reach each other through the playground (see playground/), so that a page can cut one
off, kill it and start it again.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import string
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ratchet_server import balancer, demo_words
from ratchet_server.bell import Bell
from ratchet_server.child import Child
from ratchet_server.demo_place import (
    HOST,
    DemoError,
    check_ports,
    find_media,
    some_video,
    the_only_demo,
)
from ratchet_server.demo_words import say
from ratchet_server.playground.host import FIRST_PORT as PLAYGROUND_PORT
from ratchet_server.playground.host import Playground
from ratchet_server.playground.wire import Order

FIRST_PORT = 1234
BALANCER_PORT = 8080
MOST_NODES = 16
# Below the folder where one stands: to be seen, and to be removed for a new start.
DATA = Path("data/demo")
READY_TIMEOUT_S = 60.0
# A node drains for less than this; one that takes longer is stuck.
STOP_TIMEOUT_S = 20.0
POLL_S = 0.2
# These the demo says itself; from the environment they would be the same for all nodes.
_OWN_SETTINGS = ("NAME", "HOST", "PORT", "DATA", "PEER", "ADVERTISE", "MEDIA")


def run(
    nodes: int,
    *,
    first_port: int = FIRST_PORT,
    balancer_port: int = BALANCER_PORT,
    playground_port: int = PLAYGROUND_PORT,
    data: Path = DATA,
) -> int:
    """Runs the demo until somebody stops it; returns the exit code.

    If `playground_port` is taken, one near it is used: the pages are told which.
    """
    try:
        if not 1 <= nodes <= MOST_NODES:
            raise DemoError(f"--nodes is 1 to {MOST_NODES}, not {nodes}")
        names = string.ascii_lowercase[:nodes]
        ports = {name: first_port + index for index, name in enumerate(names)}
        with the_only_demo(data, balancer_port), Bell() as bell:
            check_ports([*ports.values(), balancer_port])
            try:
                playground = Playground(ports, balancer_port, playground_port)
            except OSError as error:
                raise DemoError(f"nodes can't be linked: {error}") from error
            with contextlib.closing(playground):
                _Demo(bell, data, ports, balancer_port, playground).run()
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


class _Stopped(Exception):
    """Somebody wants the demo to end."""


class _Demo:
    """The running demo: its children, and what becomes of them."""

    def __init__(
        self,
        bell: Bell,
        data: Path,
        ports: dict[str, int],
        page_port: int,
        playground: Playground,
    ) -> None:
        self._bell = bell
        self._data = data
        self._ports = ports
        self._page = f"http://{HOST}:{page_port}"
        self._playground = playground
        self._logs = data / "logs"
        self._logs.mkdir(exist_ok=True)
        self._media = find_media()
        given = [f"{name}={HOST}:{port}" for name, port in ports.items()]
        chosen = balancer.choose(given, f"{HOST}:{page_port}", data)
        self._description = chosen.description
        # In the order in which they are started: the nodes need their links, and pages the nodes.
        self._ground = self._child("playground", playground.command, files=playground.sockets)
        self._nodes = {name: self._node(name) for name in ports}
        self._balancer = self._child("balancer", chosen.command)
        self._all = [self._ground, *self._nodes.values(), self._balancer]
        self._dead: set[Child] = set()
        self._starting: set[Child] = set()

    def _child(self, name: str, command: Sequence[str], *, files: Sequence[int] = ()) -> Child:
        return Child(name, command, _environ(), self._logs / f"{name}.log", files=files)

    def _node(self, name: str) -> Child:
        command = [sys.executable, "-m", "ratchet_server", "node", "--name", name, "--host", HOST]
        command += ["--port", str(self._ports[name]), "--data", str(self._data / name)]
        command += ["--media", str(self._media)]
        for peer in self._playground.peers(name):
            command += ["--peer", peer]
        own = {
            "RATCHET_PLAYGROUND": self._playground.url,
            # They would dial the addresses that they tell each other, around every cut link.
            "RATCHET_DISCOVER": "no",
        }
        return Child(name, command, _environ() | own, self._logs / f"{name}.log")

    def run(self) -> None:
        try:
            with contextlib.suppress(_Stopped):
                self._start_all()
                say(
                    demo_words.introduction(
                        page=self._page,
                        nodes={
                            node.name: (self._url(node), node.pid) for node in self._nodes.values()
                        },
                        playground=self._playground.url,
                        balancer=self._description,
                        data=self._data,
                        logs=self._logs,
                        video=some_video(self._media),
                        typing=self._bell.listens,
                    )
                )
                while True:
                    self._wait()
                    self._notice()
                    for order in self._playground.wire.orders():
                        self._carry_out(order)
                    if self._bell.lines:
                        self._bell.lines = 0
                        for child in [*self._dead]:
                            self._start(child)
        finally:
            self._stop()

    def _start_all(self) -> None:
        say(f"Starting {len(self._nodes)} nodes and {self._description} ...")
        deadline = time.monotonic() + READY_TIMEOUT_S
        for child in self._all:
            self._start(child)
        while self._starting:
            self._wait()
            for child in [*self._starting]:
                if not child.running:
                    raise DemoError(demo_words.death(child))
                if self._is_ready(child):
                    self._starting.remove(child)
                elif time.monotonic() > deadline:
                    raise DemoError(demo_words.not_ready(child, READY_TIMEOUT_S))

    def _start(self, child: Child) -> None:
        child.start()
        self._dead.discard(child)
        self._starting.add(child)
        self._tell_playground(again=child is self._ground)

    def _notice(self) -> None:
        """Reports who died and who is back."""
        for child in self._all:
            if not child.running and child not in self._dead:
                self._dead.add(child)
                self._starting.discard(child)
                self._tell_playground()
                say(demo_words.death(child, pid=True))
                say(self._way_back(child))
            elif child in self._starting and self._is_ready(child):
                self._starting.remove(child)
                say(f"{demo_words.title(child)} is ready again, pid {child.pid}.")

    def _way_back(self, child: Child) -> str:
        if self._bell.listens:
            return "Press Enter to start it again."
        if child in self._nodes.values():
            return demo_words.start_by_hand(self._playground.url, self._page, child.name)
        return "To have it again, stop the demo and start it anew."

    def _carry_out(self, order: Order) -> None:
        """What a page wants. An order that comes too late is none."""
        child = self._nodes.get(order.node)
        if child and order.verb == "kill":
            child.send(signal.SIGKILL)
        elif child in self._dead:
            self._start(child)

    def _tell_playground(self, *, again: bool = False) -> None:
        running = [node.name for node in self._nodes.values() if node.running]
        self._playground.wire.tell(running, again=again)

    def _wait(self) -> None:
        if not self._bell.stop:
            self._bell.wait(POLL_S, self._playground.wire.fileno())
        if self._bell.stop:
            raise _Stopped

    def _url(self, child: Child) -> str:
        if child is self._ground:
            return self._playground.url
        return (
            f"http://{HOST}:{self._ports[child.name]}" if child.name in self._ports else self._page
        )

    def _is_ready(self, child: Child) -> bool:
        """A node says so itself; the balancer is ready when a node answers through it."""
        connection = http.client.HTTPConnection(self._url(child).removeprefix("http://"), timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        """Ends everything, the balancer first: then nobody is sent to a node that is going."""
        if any(child.running for child in self._all):
            say("\nStopping ...")
        impatient = self._bell.stop + 1
        self._balancer.send(signal.SIGTERM)
        # Twice: there is no balancer any more that would have to be told, and no node that stays.
        for number in (signal.SIGTERM, signal.SIGINT):
            for node in self._nodes.values():
                node.send(number)
        self._ground.send(signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(child.running for child in self._all):
            if time.monotonic() > deadline or self._bell.stop >= impatient:
                break
            self._bell.wait(POLL_S)
        for child in self._all:
            if child.running:
                title = demo_words.title(child)
                say(f"{title} (pid {child.pid}) did not stop by itself and is killed.")
                child.send(signal.SIGKILL)
        while any(child.running for child in self._all):
            self._bell.wait(POLL_S)
        say(f"Nothing is left running. The counts are kept in {self._data}.")


def _environ() -> dict[str, str]:
    own = {f"RATCHET_{setting}" for setting in _OWN_SETTINGS}
    kept = {key: value for key, value in os.environ.items() if value and key not in own}
    return {
        # Slots are folded so soon that one can watch it.
        "RATCHET_FOLD_GRACE": "30",
        "RATCHET_PANEL": "yes",
        **kept,
        "PYTHONUNBUFFERED": "1",
    }
