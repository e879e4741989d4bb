"""Which balancer stands in front of the nodes on this machine, and the command that runs it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# balancer/ of the repository; an installed wheel has none, and then there is the stand-in.
RENDER = Path(__file__).parents[4] / "balancer" / "render.sh"
# Where packages put a daemon that an ordinary user's PATH doesn't name.
_DAEMON_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/sbin")


class Unusable(Exception):
    """HAProxy can't be used here; the message says why."""


@dataclasses.dataclass(frozen=True)
class Balancer:
    """A balancer that is ready to be started."""

    command: tuple[str, ...]
    description: str


def choose(nodes: Sequence[str], bind: str, folder: Path) -> Balancer:
    """HAProxy if it can be used, else the stand-in, whose description says why.

    `bind` is host:port, each of `nodes` too, or name=host:port; then a page can ask for it by
    `?node=name`. HAProxy's configuration is written into `folder`.
    """
    try:
        return haproxy(nodes, bind, folder)
    except Unusable as reason:
        spare = stand_in(nodes, bind)
        return dataclasses.replace(spare, description=f"{spare.description} ({reason})")


def haproxy(nodes: Sequence[str], bind: str, folder: Path) -> Balancer:
    """The real balancer. Raises Unusable where there is none, or it is too old for our file."""
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
    return Balancer((program, "-db", "-f", str(file)), "HAProxy")


def stand_in(nodes: Sequence[str], bind: str) -> Balancer:
    command = (sys.executable, "-m", "ratchet_server.demo.stand_in", bind, *nodes)
    return Balancer(command, "the small built-in stand-in for HAProxy")


def find_haproxy() -> str | None:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which("haproxy", path=os.pathsep.join([*folders, *_DAEMON_FOLDERS]))


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
    )
