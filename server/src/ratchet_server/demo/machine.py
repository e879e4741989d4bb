"""What the demo needs of this machine before it starts anything: a folder, ports, files, clips.

If something is missing, these functions raise `DemoError`, so that nothing is started in vain.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ratchet_server.counting.datadir import DataError, InUse, locked

# Everything in a demo listens here, so no other machine reaches it.
HOST = "127.0.0.1"
# How many ports to try for the control.
_PORTS = 100


class DemoError(Exception):
    """Why the demo can't run, and how to mend it, in one line."""


@contextlib.contextmanager
def the_only_demo(data: Path, balancer_port: int) -> Iterator[None]:
    """Lock the data folder for this demo."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(data))
        except InUse as error:
            where = f"http://{HOST}:{balancer_port}, pid {error.pid}"
            fix = "stop it with Ctrl-C where it runs, or use it"
            raise DemoError(f"the demo is already running ({where}): {fix}") from error
        except DataError as error:
            raise DemoError(f"{error}: run the demo from a folder where you may write") from error
        yield


def check_ports(ports: Sequence[int]) -> None:
    """Raise `DemoError` if one of these ports is taken."""
    for port in ports:
        with socket.socket() as probe:
            # Without this, leftovers of an earlier demo's connections take a port for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except (OSError, OverflowError) as error:
                fix = f"stop what uses it, perhaps another demo (`lsof -i :{port}` names it)"
                raise DemoError(f"port {port} on {HOST} is taken: {fix}") from error


def first_free(first_port: int, others: Sequence[int]) -> socket.socket:
    """Listen on this port or, if another program has it, on the next free one."""
    for port in range(first_port, first_port + _PORTS):
        if port not in others:
            with contextlib.suppress(OSError, OverflowError):
                return socket.create_server((HOST, port))
    last = first_port + _PORTS - 1
    raise DemoError(f"no port from {first_port} to {last} on {HOST} is free: free one of them")


def find_media() -> Path:
    """The folder with the clips: RATCHET_MEDIA, or else the repository's folder."""
    named = os.environ.get("RATCHET_MEDIA")
    folder = Path(named) if named else Path(__file__).parents[4] / "media"
    if not (folder / "catalogue.toml").is_file():
        fix = "set RATCHET_MEDIA to a folder with clips and their catalogue.toml"
        raise DemoError(f"there is no catalogue in {folder}: {fix}")
    return folder


def some_video(media: Path) -> str:
    """A video for the introduction's link to a page."""
    try:
        return next(iter(tomllib.loads((media / "catalogue.toml").read_text(encoding="utf-8"))))
    except (OSError, ValueError, StopIteration):
        return "VIDEO"
