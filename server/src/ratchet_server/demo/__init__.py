"""`ratchet demo`: real nodes, a balancer and the page on this machine, in the foreground.

    program     the composition root: makes the parts, joins them, runs them
    machine     what the demo needs of this machine: a folder, ports, clips
    supervisor  starts, watches and ends the processes; child: one of them
    terminal    the person in front; messages: what that person reads
    links       how the nodes reach each other, so that a page can cut one off
    control     HTTP for the demo's pages; overview: how the nodes are; actions: cut, kill, ...
    client      HTTP requests to the nodes
    balancer    HAProxy where it can be used, else stand_in; stand_in_nodes: whom that one asks
    tasks       work side by side that leaves no task behind

All of it but the nodes and the balancer is one asyncio process. Where Ctrl-Z holds it, its links
are silent until it goes on. It ends what it starts: on Ctrl-C, SIGTERM and SIGHUP in order, and
after its own violent death through the kernel (see child.py). What was counted stays in the data
folder for the next run.
"""

from __future__ import annotations

import sys
from pathlib import Path

ABOUT = (
    "Runs nodes on ports 1234, 1235, ..., a balancer with the page on http://127.0.0.1:8080, and "
    "on 8081 the control by which pages cut nodes off and kill them. All of it is on this machine "
    "and ends with Ctrl-C; what was counted stays in data/demo below this folder for next time."
)

FIRST_PORT = 1234
BALANCER_PORT = 8080
CONTROL_PORT = 8081
# Below the current folder: easy to see, and easy to remove for a new start.
DATA = Path("data/demo")


def run(
    nodes: int,
    *,
    first_port: int = FIRST_PORT,
    balancer_port: int = BALANCER_PORT,
    control_port: int = CONTROL_PORT,
    data: Path = DATA,
) -> int:
    """Runs the demo until somebody stops it; returns the exit code.

    If `control_port` is taken, one near it is used: the pages are told which.
    """
    # Not above: every command imports this package, and a node has no time for what it brings.
    from ratchet_server.demo import program
    from ratchet_server.demo.machine import DemoError
    from ratchet_server.settings import SettingError

    try:
        program.run(nodes, first_port, balancer_port, control_port, data)
    except (DemoError, SettingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
