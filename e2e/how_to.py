"""Runs the commands of a how-to, as an operator would on the machine of a node."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from testing.nodes import PATIENCE_S, Node

# What a test does itself between the commands before it and those after it.
RESTART: Final = "systemctl restart ratchet\n"


def shell(script: str, node: Node, places: Mapping[str, str]) -> None:
    """Run `script` on the machine of `node`. `places`: where the folders are that it names."""
    for name, place in places.items():
        script = script.replace(name, place)
    script = script.replace("http://127.0.0.1:1234", node.url)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
