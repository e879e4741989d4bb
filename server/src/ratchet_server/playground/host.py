"""The demo's side of its playground: sockets that stay while the playground's process may not.

The sockets listen from the first moment. So no node finds a link refused that is only about to be
served, and a playground that was killed and started again is found where it was.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import sys
from collections.abc import Mapping, Sequence
from itertools import permutations

from ratchet_server.demo_place import HOST
from ratchet_server.playground.wire import DemoEnd

FIRST_PORT = 8081
# If others have the first, one near it will do: the pages are told which.
_PORTS = 100
# Connections that may wait for the process to be there.
_BACKLOG = 128
# Each link listens, and has two ends when it is in use; 16 nodes have 240 links.
_FILES_OF_A_LINK = 3
_OTHER_FILES = 128


class Playground:
    """What its process is made of, and how the nodes reach each other through it."""

    def __init__(self, ports: Mapping[str, int], page_port: int, first_port: int) -> None:
        """`ports`: where each node listens. Raises `OSError`."""
        links = [*permutations(ports, 2)]
        _allow_files(_OTHER_FILES + _FILES_OF_A_LINK * len(links))
        self.wire = DemoEnd()
        self._ports = dict(ports)
        self._page_port = page_port
        self._http = _first_free(first_port, {page_port, *ports.values()})
        self._links = {pair: socket.create_server((HOST, 0), backlog=_BACKLOG) for pair in links}

    @property
    def url(self) -> str:
        """Where pages reach the control."""
        return f"http://{HOST}:{self._http.getsockname()[1]}"

    def peers(self, node: str) -> list[str]:
        """What `node` dials to reach each of the others."""
        return [
            f"http://{HOST}:{link.getsockname()[1]}"
            for (dialler, _), link in self._links.items()
            if dialler == node
        ]

    @property
    def command(self) -> list[str]:
        """Starts its process, if that inherits `sockets`."""
        command = [sys.executable, "-m", "ratchet_server.playground"]
        command += ["--wire", str(self.wire.theirs.fileno()), "--http", str(self._http.fileno())]
        command += ["--page", str(self._page_port)]
        for name, port in self._ports.items():
            command += ["--node", f"{name}={port}"]
        return [*command, "--link", *(str(link.fileno()) for link in self._links.values())]

    @property
    def sockets(self) -> Sequence[int]:
        """The file numbers that its process inherits."""
        inherited = (self.wire.theirs, self._http, *self._links.values())
        return [one.fileno() for one in inherited]

    def close(self) -> None:
        self.wire.close()
        for one in (self._http, *self._links.values()):
            one.close()


def _allow_files(wanted: int) -> None:
    """For this process and what it starts; some systems allow 256 if they aren't asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _first_free(first_port: int, others: set[int]) -> socket.socket:
    for port in range(first_port, first_port + _PORTS):
        if port not in others:
            with contextlib.suppress(OSError, OverflowError):
                return socket.create_server((HOST, port), backlog=_BACKLOG)
    raise OSError(f"no port from {first_port} to {first_port + _PORTS - 1} is free")
