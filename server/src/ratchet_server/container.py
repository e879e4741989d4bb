"""`python -m ratchet_server.container`: runs `ratchet` with the defaults of a container.

A container listens on all addresses, and keeps its data in /data. Without a name it takes its host
name, and keeps that in the data folder: with another name after each start, the cluster would
remember ever more names, and miss them all.
"""

import os
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ratchet_server.settings import MEMORY

DATA: Final = "/data"
EVERYWHERE: Final = "0.0.0.0"
# The file with the name, in the data folder.
NAME: Final = "name"


def main(arguments: Sequence[str]) -> None:
    """Become the command. Nothing of this program is left, so the node gets the signals."""
    data = os.environ.get("RATCHET_DATA") or DATA
    # An empty variable counts as not set, here as everywhere.
    os.environ["RATCHET_DATA"] = data
    os.environ["RATCHET_HOST"] = os.environ.get("RATCHET_HOST") or EVERYWHERE
    os.environ["RATCHET_NAME"] = os.environ.get("RATCHET_NAME") or _kept_name(data)
    os.execvp("ratchet", ["ratchet", *arguments])


def _kept_name(data: str) -> str:
    """The name in the data folder, or else the host's, which is kept there from now on."""
    file = Path(data, NAME)
    name = as_name(socket.gethostname())
    if data == MEMORY:
        return name
    # If nobody may write there, then the node says so.
    with suppress(OSError):
        if kept := file.read_text(encoding="utf-8").strip():
            return kept
    with suppress(OSError):
        file.write_text(f"{name}\n", encoding="utf-8")
    return name


def as_name(host: str) -> str:
    """A host's name as the name of a node."""
    return re.sub(r"[^a-z0-9-]", "-", host.lower())[:63]


if __name__ == "__main__":
    main(sys.argv[1:])
