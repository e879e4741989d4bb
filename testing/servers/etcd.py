"""An etcd server: one member, which is its own leader."""

from collections.abc import Sequence
from pathlib import Path

from testing import packages
from testing.certificates import Files
from testing.nodes import HOST, free_port
from testing.servers.server import Command, heard, needed


class Etcd:
    """See `server.Kind`."""

    def __init__(self, *, tls: Files | None = None) -> None:
        """`tls`: its certificate."""
        self._program = needed(packages.ETCD)
        self._tls = tls
        self._port = free_port()
        self.url = f"etcd{'+tls' if tls else ''}://{HOST}:{self._port}"

    async def commands(self, folder: Path) -> Sequence[Command]:
        clients = f"http{'s' if self._tls else ''}://{HOST}:{self._port}"
        members = f"http://{HOST}:{self._port + 1}"
        line: list[str | Path] = [self._program, "--name", "a", "--data-dir", folder]
        line += ["--listen-client-urls", clients, "--advertise-client-urls", clients]
        line += ["--listen-peer-urls", members, "--initial-advertise-peer-urls", members]
        # It elects itself in 0.2 s. By default it takes more than a second.
        line += ["--heartbeat-interval", "20", "--election-timeout", "200"]
        # Only a crash of the machine could lose data by this.
        line += ["--initial-cluster", f"a={members}", "--unsafe-no-fsync"]
        if self._tls:
            line += ["--cert-file", self._tls.certificate, "--key-file", self._tls.key]
        return [Command(line, packages.ETCD.environ(self._program))]

    async def answers(self) -> bool:
        call, good = b"GET /health HTTP/1.0\r\n\r\n", b'"health":"true"'
        return await heard(self._port, call, good, tls=self._tls is not None)
