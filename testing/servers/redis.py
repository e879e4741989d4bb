"""A Redis server. It keeps nothing on the disk."""

from collections.abc import Sequence
from pathlib import Path

from testing import packages
from testing.certificates import Files
from testing.nodes import HOST, free_port
from testing.servers.server import Command, heard, needed


class Redis:
    """See `server.Kind`."""

    def __init__(
        self,
        *,
        login: tuple[str, str] | None = None,
        rights: str = "~* &* +@all",
        tls: Files | None = None,
    ) -> None:
        """`login`: the name and the password without which it hears nobody. `rights`: what the
        login may do, as rules of an ACL. `tls`: its certificate."""
        self._tls = tls
        self._program = needed(packages.REDIS)
        self._login = login
        self._rights = rights
        self._port = free_port()
        at = "{}:{}@".format(*login) if login else ""
        self.url = f"redis{'s' if tls else ''}://{at}{HOST}:{self._port}"

    async def commands(self, folder: Path) -> Sequence[Command]:
        line: list[str | Path] = [self._program, "--bind", HOST]
        line += ["--tls-port" if self._tls else "--port", str(self._port)]
        if self._tls:
            line += ["--port", "0", "--tls-auth-clients", "no"]
            line += ["--tls-cert-file", self._tls.certificate, "--tls-key-file", self._tls.key]
        line += ["--dir", folder, "--save", "", "--appendonly", "no"]
        if self._login:
            user, password = self._login
            # This test server's own check is a ping.
            line += ["--user", user, "on", f">{password}", *self._rights.split(), "+ping"]
            if user != "default":
                line += ["--user", "default", "off"]
        return [Command(line, packages.REDIS.environ(self._program))]

    async def answers(self) -> bool:
        login = "AUTH {} {}\r\n".format(*self._login) if self._login else ""
        call = f"{login}PING\r\n".encode()
        return await heard(self._port, call, b"+PONG\r\n", tls=self._tls is not None)
