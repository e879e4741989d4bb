"""The demo's composition root: makes the parts, joins them, and runs them until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import socket
import string
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet_server import open_files
from ratchet_server.demo import balancer, control, links, machine, messages
from ratchet_server.demo.actions import Actions
from ratchet_server.demo.child import Child
from ratchet_server.demo.client import Client
from ratchet_server.demo.links import Links
from ratchet_server.demo.machine import HOST, DemoError
from ratchet_server.demo.overview import Overview
from ratchet_server.demo.supervisor import Supervisor
from ratchet_server.demo.tasks import until_one_ends
from ratchet_server.demo.terminal import Terminal
from ratchet_server.settings import environment, sources

MOST_NODES = 16
_OTHER_FILES = 128
# The demo sets these itself. From the environment, all nodes would get the same values.
_OWN_SETTINGS = ("NAME", "HOST", "PORT", "DATA", "PEER", "ADVERTISE", "MEDIA")


def run(nodes: int, first_port: int, balancer_port: int, control_port: int, data: Path) -> None:
    """Run the demo until somebody stops it. Raises `DemoError` and `SettingError`."""
    if not 1 <= nodes <= MOST_NODES:
        raise DemoError(f"--nodes is 1 to {MOST_NODES}, not {nodes}")
    # httpx logs every request.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ports = {name: first_port + i for i, name in enumerate(string.ascii_lowercase[:nodes])}
    with machine.the_only_demo(data, balancer_port):
        taken = [*ports.values(), balancer_port]
        machine.check_ports(taken)
        open_files.allow(_OTHER_FILES + links.FILES_OF_A_LINK * nodes * (nodes - 1))
        with machine.first_free(control_port, taken) as sock:
            asyncio.run(_run(ports, balancer_port, sock, data))


async def _run(
    ports: Mapping[str, int], balancer_port: int, sock: socket.socket, data: Path
) -> None:
    terminal = Terminal()
    logs = data / "logs"
    logs.mkdir(exist_ok=True)
    media = machine.find_media()
    environ = environment.effective(os.environ)
    secrets = sources.read_one("secrets", argparse.Namespace(), environ)
    given = [f"{name}={HOST}:{port}" for name, port in ports.items()]
    chosen = balancer.choose(given, f"{HOST}:{balancer_port}", data)
    page, own = f"http://{HOST}:{balancer_port}", f"http://{HOST}:{sock.getsockname()[1]}"
    async with contextlib.AsyncExitStack() as stack:
        bye = f"Nothing is left running. The counts are kept in {data}."
        stack.push_async_callback(terminal.say, bye)
        client = Client()
        stack.push_async_callback(client.close)
        relays = Links(ports)
        stack.push_async_callback(relays.close)

        front = Child("balancer", page, chosen.command, _environ(), logs / "balancer.log")
        nodes = {}
        for name, port in ports.items():
            url = f"http://{HOST}:{port}"
            command = _node(name, port, data / name, media, relays.urls(name))
            environ = _environ() | {
                "RATCHET_PLAYGROUND": own,
                # The nodes would dial the addresses that they send each other, around cut links.
                "RATCHET_DISCOVER": "no",
            }
            nodes[name] = Child(name, url, command, environ, logs / f"{name}.log")

        def how_to_start(child: Child) -> str:
            if child is front:
                return "To have it again, stop the demo and start it anew."
            return messages.start_by_hand(own, page, child.name)

        supervisor = Supervisor([*nodes.values()], front, client, terminal, how_to_start)
        stack.push_async_callback(supervisor.end)
        overview = Overview(nodes, relays, client)
        actions = Actions(nodes, relays, supervisor, client, overview, next(iter(secrets), None))
        pages = [page, *(node.url for node in nodes.values())]
        app = control.application(overview, actions, own=own, pages=pages)

        async def live() -> None:
            await terminal.say(f"Starting {len(nodes)} nodes and {chosen.description} ...")
            await supervisor.start_all()
            # Not before: a page could start a node that the supervisor is just starting.
            server: Any = await app.create_server(sock=sock, access_log=False)
            stack.callback(server.close)
            await server.startup()
            await terminal.say(
                messages.introduction(
                    page=page,
                    nodes=[*nodes.values()],
                    control=own,
                    balancer=chosen.description,
                    data=data,
                    logs=logs,
                    video=machine.some_video(media),
                    can_type=terminal.can_type,
                )
            )
            await asyncio.Event().wait()

        await until_one_ends(live(), terminal.stop.wait())


def _node(name: str, port: int, data: Path, media: Path, peers: Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", "ratchet_server", "node", "--name", name, "--host", HOST]
    command += ["--port", str(port), "--data", str(data), "--media", str(media)]
    for peer in peers:
        command += ["--peer", peer]
    return command


def _environ() -> dict[str, str]:
    own = {f"RATCHET_{setting}" for setting in _OWN_SETTINGS}
    kept = {key: value for key, value in os.environ.items() if value and key not in own}
    return {
        # Nodes fold slots so soon that one can watch them do it.
        "RATCHET_FOLD_GRACE": "30",
        "RATCHET_PANEL": "yes",
        **kept,
        "PYTHONUNBUFFERED": "1",
    }
