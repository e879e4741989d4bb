"""`ratchet demo` as a command: its defaults, and its errors as one line."""

import sys
from pathlib import Path
from typing import Final

from ratchet_server.demo import program
from ratchet_server.demo.machine import DemoError
from ratchet_server.settings import SettingError

FIRST_PORT: Final = 1234
BALANCER_PORT: Final = 8080
CONTROL_PORT: Final = 8081
# Below the current folder: easy to see, and easy to remove for a new start.
DATA: Final = Path("data/demo")


def run(
    nodes: int,
    *,
    first_port: int = FIRST_PORT,
    balancer_port: int = BALANCER_PORT,
    control_port: int = CONTROL_PORT,
    data: Path = DATA,
) -> int:
    """Run the demo until somebody stops it, and return the exit code.

    If `control_port` is taken, the demo uses a port near it, and the pages get that address.
    """
    try:
        program.run(nodes, first_port, balancer_port, control_port, data)
    except (DemoError, SettingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
