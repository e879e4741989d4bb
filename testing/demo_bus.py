"""`make demo BUS=nats`: the demo over a real broker, which it brings, starts and ends.

    python -m testing.demo_bus nats|redis|rabbitmq|kafka|multicast

The broker listens on this machine alone, and its data are gone at the end. Multicast has no broker.
"""

import asyncio
import dataclasses
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from ratchet_server import cli, logs
from ratchet_server.__main__ import INTERRUPTED
from ratchet_server.demo import program, wires
from ratchet_server.demo.fronts import with_fronts
from ratchet_server.demo.machine import DemoError
from ratchet_server.demo.relays import Relays
from ratchet_server.demo.wires import MakeWire, Wire
from ratchet_server.settings import SettingError
from ratchet_server.settings.buses import Host, buses

from testing import packages
from testing.brokers import BROKERS, MULTICAST
from testing.nodes import HOST, free_port
from testing.packages import cache
from testing.servers.kafka import Kafka
from testing.servers.server import Server

NODES: Final = 3
# An interface by its address, because its name differs between systems.
GROUP: Final = f"multicast://239.255.77.1:7946?iface={HOST}"
_PROGRAMS: Final[Mapping[str, packages.Package]] = {
    "nats": packages.NATS,
    "redis": packages.REDIS,
    "rabbitmq": packages.RABBITMQ,
    "kafka": packages.KAFKA,
}


def main(arguments: Sequence[str]) -> int:
    """Run the demo over the bus of this name until somebody stops it. Returns the exit code."""
    names = [*BROKERS, MULTICAST]
    if len(arguments) != 1 or arguments[0] not in names:
        return _failed(f"BUS is one of {', '.join(names)}")
    (name,) = arguments
    logs.to_stderr()
    try:
        if name == MULTICAST:
            program.run(NODES, wires.over(GROUP))
        else:
            _run_over_a_broker(name)
    except (DemoError, SettingError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    return cli.OK


def _run_over_a_broker(name: str) -> None:
    _bring(_PROGRAMS[name])
    # A relay of Kafka has to be known before the broker starts.
    relays = [free_port() for _ in range(NODES)] if name == "kafka" else []
    kind: Any = Kafka(relays=relays) if relays else BROKERS[name]()
    with tempfile.TemporaryDirectory(prefix="ratchet-demo-") as folder:
        server = Server(kind, Path(folder))
        print(f"Starting {_PROGRAMS[name].name} in {folder} ...", flush=True)
        with server:
            try:
                asyncio.run(server.start())
            except AssertionError as error:
                raise DemoError(f"{_PROGRAMS[name].name} does not start: {error}") from None
            (url,) = buses([server.url])
            print(f"{_PROGRAMS[name].name} is at {url}. Its log: {server.log}", flush=True)
            program.run(NODES, _behind(kind, relays) if relays else wires.over(server.url))
            # Another Ctrl-C finds nothing to hurry.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(f"{_PROGRAMS[name].name} has ended, too.")


def _behind(kafka: Kafka, relays: Sequence[int]) -> MakeWire:
    """Kafka behind relays. Its clients dial what the broker names, so it names a node's relay to
    those who came through it."""
    (given,) = buses([kafka.url])
    url = wires.apart(given)

    @asynccontextmanager
    async def made(ports: Mapping[str, int], _secrets: Sequence[str]) -> AsyncIterator[Wire]:
        brokers = [dataclasses.replace(url, hosts=(Host(HOST, port),)) for port in kafka.behind]
        wire = Relays(dict(zip(ports, brokers, strict=True)), dict(zip(ports, relays, strict=True)))
        try:
            async with with_fronts(wire, ports) as fronted:
                yield fronted
        finally:
            await wire.close()

    return made


def _bring(package: packages.Package) -> None:
    """Bring the broker if it is not there. Raises `DemoError`."""
    try:
        with cache.alone(), tempfile.TemporaryDirectory(dir=cache.HOME, prefix=".new-") as scratch:
            if not package.find():
                print(f"Downloading {package.name} into {cache.HOME} ...", flush=True)
                package.bring(Path(scratch))
        if not package.find():
            raise cache.Missing("its package has it in another place")
    except cache.Missing as why:
        raise DemoError(
            f"there is no {package.name} here, and it can't be had: {why}. Install it and put it "
            "on the PATH, or use one that runs elsewhere: .venv/bin/ratchet demo --bus URL"
        ) from None


def _failed(why: str) -> int:
    print(f"demo: {why}", file=sys.stderr)
    return cli.FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
