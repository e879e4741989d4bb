"""Which balancer stands in front of the nodes on this machine, and the command that runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# It is in the repository. An installed wheel lacks it, and uses the stand-in.
RENDER = Path(__file__).parents[4] / "balancer" / "render.sh"
# Packages put daemons into these folders, which an ordinary user's PATH doesn't name.
_DAEMON_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/sbin")


class Unusable(Exception):
    """The demo can't use HAProxy here. The message says why."""


def choose(nodes: Sequence[str], bind: str, folder: Path) -> tuple[list[str], str]:
    """The command and a description: of HAProxy if the demo can use it, else of the stand-in, and
    why.

    `bind` is host:port. Each of `nodes` is host:port, or name=host:port: then `?node=name` chooses
    that node. HAProxy's configuration goes into `folder`.
    """
    try:
        return haproxy(nodes, bind, folder), "HAProxy"
    except Unusable as reason:
        return stand_in(nodes, bind), f"the small built-in stand-in for HAProxy ({reason})"


def haproxy(nodes: Sequence[str], bind: str, folder: Path) -> list[str]:
    """The command. Raises `Unusable` if HAProxy is missing, or too old for our configuration."""
    program = find_haproxy()
    if program is None:
        raise Unusable("HAProxy is not installed")
    if not RENDER.is_file():
        raise Unusable("this installation has no balancer/ folder with HAProxy's configuration")
    file = folder / "haproxy.cfg"
    try:
        rendered = _run(["sh", str(RENDER), ",".join(nodes), bind])
        if rendered.returncode != 0:
            raise Unusable(rendered.stderr.strip())
        file.write_text(rendered.stdout, encoding="utf-8")
        if _run([program, "-c", "-f", str(file)]).returncode != 0:
            raise Unusable(f"{program} refuses {file}; version 2.6 or newer is needed")
    except (OSError, subprocess.SubprocessError) as error:
        raise Unusable(f"HAProxy can't be prepared: {error}") from error
    return [program, "-db", "-f", str(file)]


def stand_in(nodes: Sequence[str], bind: str) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "ratchet_server.demo.stand_in", bind, *nodes]


def find_haproxy() -> str | None:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which("haproxy", path=os.pathsep.join([*folders, *_DAEMON_FOLDERS]))


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
    )
