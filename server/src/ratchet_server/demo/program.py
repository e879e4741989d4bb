"""The demo's composition root: makes the parts, joins them, and runs them until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ratchet_server import open_files
from ratchet_server.counting.datadir import DataError, InUse, locked
from ratchet_server.demo import balancer, control, machine, wires
from ratchet_server.demo.child import Child
from ratchet_server.demo.client import Client
from ratchet_server.demo.introduction import introduction
from ratchet_server.demo.machine import HOST, DemoError
from ratchet_server.demo.playground import Playground
from ratchet_server.demo.supervisor import Supervisor
from ratchet_server.demo.terminal import Terminal
from ratchet_server.demo.wires import MakeWire, Wire
from ratchet_server.operator.humanize import counted
from ratchet_server.settings import environment, sources

FIRST_PORT: Final = 1234
BALANCER_PORT: Final = 8080
CONTROL_PORT: Final = 8081
# Sixteen nodes have 240 links of four files each.
_FILES: Final = 2048
# Below the current folder: easy to see, and easy to remove for a new start.
DATA: Final = Path("data/demo")


def run(
    nodes: int,
    wire: MakeWire = wires.mesh,
    /,
    *,
    first_port: int = FIRST_PORT,
    balancer_port: int = BALANCER_PORT,
    control_port: int = CONTROL_PORT,
) -> None:
    """Run the demo until somebody stops it. Raises `DemoError` and `SettingError`.

    `wire`: what joins the nodes. If `control_port` is taken, the demo uses another one, and the
    pages get that address.
    """
    ports = {name: first_port + i for i, name in enumerate(string.ascii_lowercase[:nodes])}
    try:
        with locked(DATA):
            machine.check_ports([*ports.values(), balancer_port])
            open_files.raise_limit(_FILES)
            with machine.listen(control_port) as sock:
                asyncio.run(_run(ports, wire, balancer_port, sock))
    except InUse as error:
        where = f"http://{HOST}:{balancer_port}, pid {error.pid}"
        fix = "stop it with Ctrl-C where it runs, or use it"
        raise DemoError(f"the demo is already running ({where}): {fix}") from error
    except DataError as error:
        raise DemoError(f"{error}: run the demo from a folder where you may write") from error


async def _run(
    ports: Mapping[str, int], make_wire: MakeWire, balancer_port: int, sock: socket.socket
) -> None:
    media, video = machine.find_media()
    environ = environment.effective(os.environ)
    secrets = sources.read_one("secrets", argparse.Namespace(), environ)
    given = [f"{name}={HOST}:{port}" for name, port in ports.items()]
    command, description = balancer.choose(given, f"{HOST}:{balancer_port}", DATA)
    page, own = f"http://{HOST}:{balancer_port}", f"http://{HOST}:{sock.getsockname()[1]}"
    logs = DATA / "logs"
    logs.mkdir(exist_ok=True)

    async with contextlib.AsyncExitStack() as stack:
        terminal = Terminal()
        bye = f"Nothing is left running. The counts are kept in {DATA}."
        stack.push_async_callback(terminal.say, bye)
        client = Client(next(iter(secrets), None))
        stack.push_async_callback(client.close)
        wire = await stack.enter_async_context(make_wire(ports, secrets))

        def node(name: str, port: int) -> Child:
            flags = ["--name", name, "--host", HOST, "--port", str(port)]
            flags += ["--data", str(DATA / name), "--media", str(media)]
            run_node = [sys.executable, "-m", "ratchet_server", "node", *flags]
            url, log = f"http://{HOST}:{port}", logs / f"{name}.log"
            return Child(f"node {name}", url, run_node, _environ(environ, wire, name, own), log)

        nodes = {name: node(name, port) for name, port in ports.items()}
        front = Child("the balancer", page, command, os.environ, logs / "balancer.log")
        supervisor = Supervisor([*nodes.values()], front, client, terminal)
        stack.push_async_callback(supervisor.end)
        terminal.hold_on_ctrl_z(supervisor.send)
        playground = Playground(nodes, wire, client, supervisor.start)
        pages = [page, *(node.url for node in nodes.values())]
        app = control.application(playground, own=own, pages=pages)

        async def live() -> None:
            await terminal.say(f"Starting {counted(len(nodes), 'node')} and {description} ...")
            await supervisor.start_all()
            # Serve the control only now. Earlier, a page could start a node that the supervisor is
            # just starting.
            server: Any = await app.create_server(sock=sock, access_log=False)
            stack.callback(server.close)
            await server.startup()
            text = introduction(
                page=page,
                nodes=[*nodes.values()],
                control=own,
                wire=wire.description,
                balancer=description,
                data=DATA,
                video=video,
                can_type=terminal.can_type,
            )
            await terminal.say(text)
            await asyncio.Event().wait()

        living = asyncio.create_task(live())
        stopped = asyncio.create_task(terminal.stop.wait())
        await asyncio.wait((living, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if living.done():
            living.result()


def _environ(environ: Mapping[str, str], wire: Wire, node: str, control: str) -> dict[str, str]:
    """A node's environment. Its flags win over most of the user's variables."""
    return {
        # So short that a viewer can watch the nodes fold slots.
        "RATCHET_FOLD_GRACE": "30",
        "RATCHET_PANEL": "yes",
        **environ,
        "RATCHET_PLAYGROUND": control,
        # With discovery, nodes would dial each other directly, around cut links.
        "RATCHET_DISCOVER": "no",
        # A value of the user's would be the same for all nodes.
        "RATCHET_ADVERTISE": "",
        "RATCHET_REGISTRY": "",
        **wire.environ(node),
        "PYTHONUNBUFFERED": "1",
    }
