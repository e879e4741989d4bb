"""The playground's process: the links between the demo's nodes, and the control that pages use.

It is a process of its own so that the nodes hear each other whatever the demo's terminal does:
where Ctrl-S or Ctrl-Z holds the demo, the links go on. The demo starts it and gives it sockets that
listen already, which outlive it; it ends with the demo, however that ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from itertools import permutations
from typing import Any

from ratchet_server.demo_place import HOST
from ratchet_server.playground.board import Board
from ratchet_server.playground.links import Links
from ratchet_server.playground.wire import PlaygroundEnd
from ratchet_server.settings import SettingError, environment, sources

# What a page on this machine is reached by. The browser's `Origin` says which one was used.
NAMES = (HOST, "localhost")


async def serve(asked: argparse.Namespace, secret: str | None) -> None:
    """Runs until it is cancelled or the demo is gone."""
    ports = dict(asked.node)
    links, demo = Links(ports), PlaygroundEnd(_socket(asked.wire))
    listening = asyncio.create_task(demo.listen())
    listeners = dict(zip(permutations(ports, 2), map(_socket, asked.link), strict=True))
    servers = await links.serve(listeners)
    # The nodes hear each other from here on; only now is there time for what takes long.
    from ratchet_server.playground.app import application
    from ratchet_server.playground.orders import Orders

    board = Board(ports, links, demo)
    http = _socket(asked.http)
    own_port = http.getsockname()[1]
    app = application(
        board,
        Orders(ports, links, demo, board, secret),
        hosts={f"{name}:{own_port}" for name in NAMES},
        origins={
            f"http://{name}:{port}" for name in NAMES for port in [asked.page, *ports.values()]
        },
    )
    server: Any = await app.create_server(sock=http, access_log=False)
    await server.startup()
    print(f"ready: http://{HOST}:{own_port}", flush=True)
    try:
        await listening
    finally:
        for relay in servers:
            relay.close()


def main() -> int:
    asked = _parser().parse_args()
    try:
        environ = environment.effective(os.environ)
        secret = sources.read_one("secret", argparse.Namespace(), environ)
    except SettingError as error:
        print(f"playground: {error}", file=sys.stderr)
        return 1
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_until_told(serve(asked, secret)))
    return 0


async def _until_told(serving: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ratchet_server.playground",
        description="Started by `ratchet demo`; file numbers are of sockets that it has opened.",
    )
    parser.add_argument("--wire", type=int, required=True, help="the line to the demo")
    parser.add_argument("--http", type=int, required=True, help="where the control listens")
    parser.add_argument("--page", type=int, required=True, help="the balancer's port")
    parser.add_argument("--node", type=_node, action="append", required=True, help="name=port")
    parser.add_argument(
        "--link", type=int, nargs="*", default=[], help="a to b, a to c, b to a, ..."
    )
    return parser


def _node(text: str) -> tuple[str, int]:
    name, _, port = text.partition("=")
    return name, int(port)


def _socket(number: int) -> socket.socket:
    found = socket.socket(fileno=number)
    found.setblocking(False)
    return found


if __name__ == "__main__":
    sys.exit(main())
