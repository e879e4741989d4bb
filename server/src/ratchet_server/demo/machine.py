"""What the demo needs of this machine before it starts anything: ports, open files, clips.

If something is missing, these functions raise `DemoError`, before the demo starts any process.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# Everything in a demo listens here, so no other machine reaches it.
HOST = "127.0.0.1"
# The demo's own clips.
CLIPS: Final = Path(__file__).parent / "clips"


class DemoError(Exception):
    """Why the demo can't run, and how to mend it, in one line."""


def check_ports(ports: Sequence[int]) -> None:
    """Raise `DemoError` if one of these ports is taken."""
    for port in ports:
        with socket.socket() as probe:
            # Without this, closed connections of an earlier demo block a port for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except (OSError, OverflowError) as error:
                fix = f"stop what uses it, perhaps another demo (`lsof -i :{port}` names it)"
                raise DemoError(f"port {port} on {HOST} is taken: {fix}") from error


def listen(port: int) -> socket.socket:
    """Listen on this port or, if another program has it, on any that is free."""
    with contextlib.suppress(OSError):
        return socket.create_server((HOST, port))
    return socket.create_server((HOST, 0))


def find_media() -> tuple[Path, str]:
    """The folder with the clips (RATCHET_MEDIA, or else the demo's own), and one clip's id."""
    named = os.environ.get("RATCHET_MEDIA")
    folder = Path(named) if named else CLIPS
    try:
        catalogue = tomllib.loads((folder / "catalogue.toml").read_text(encoding="utf-8"))
        return folder, next(iter(catalogue))
    except (OSError, ValueError, RecursionError, StopIteration) as error:
        fix = "set RATCHET_MEDIA to a folder with clips and their catalogue.toml"
        raise DemoError(f"there is no catalogue in {folder}: {fix}") from error
