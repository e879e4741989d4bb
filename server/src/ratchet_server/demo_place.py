"""What the demo needs of this machine before it starts anything: a folder, ports, and clips.

Whatever is missing is a `DemoError`, so that nothing is started in vain.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

# Everything of a demo is on this machine, and nobody else reaches it.
HOST = "127.0.0.1"


class DemoError(Exception):
    """Why the demo can't run, and how to mend it, in one line."""


@contextlib.contextmanager
def the_only_demo(data: Path, balancer_port: int) -> Iterator[None]:
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


def check_ports(ports: Sequence[int]) -> None:
    """Finds a taken port before anything is started."""
    for port in ports:
        with socket.socket() as probe:
            # Without it the leftovers of an earlier demo's connections count as taken for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except (OSError, OverflowError) as error:
                fix = f"stop what uses it, perhaps another demo (`lsof -i :{port}` names it)"
                raise DemoError(f"port {port} on {HOST} is taken: {fix}") from error


def find_media() -> Path:
    """The clips: where RATCHET_MEDIA says, else the repository's folder."""
    named = os.environ.get("RATCHET_MEDIA")
    folder = Path(named) if named else Path(__file__).parents[3] / "media"
    if not (folder / "catalogue.toml").is_file():
        fix = "set RATCHET_MEDIA to a folder with clips and their catalogue.toml"
        raise DemoError(f"there is no catalogue in {folder}: {fix}")
    return folder


def some_video(media: Path) -> str:
    """One that people can be sent to."""
    try:
        return next(iter(tomllib.loads((media / "catalogue.toml").read_text(encoding="utf-8"))))
    except (OSError, ValueError, StopIteration):
        return "VIDEO"
