"""A NATS server. It keeps nothing on the disk."""

import json
from collections.abc import Sequence
from pathlib import Path

from testing import packages
from testing.certificates import Files
from testing.nodes import HOST, free_port
from testing.servers.server import Command, heard, needed

_LOGIN = "authorization {{ users = [ {{ user: {}, password: {}, permissions: {{ {} }} }} ] }}"


class Nats:
    """See `server.Kind`."""

    def __init__(
        self, *, login: tuple[str, str] | None = None, rights: str = "", tls: Files | None = None
    ) -> None:
        """`login`: the name and the password without which it hears nobody. `rights`: the login's
        permissions, in the words of the server's settings. `tls`: its certificate."""
        self._program = needed(packages.NATS)
        self._tls = tls
        self._login = login
        self._rights = rights
        self._port = free_port()
        at = "{}:{}@".format(*login) if login else ""
        self.url = f"nats{'+tls' if tls else ''}://{at}{HOST}:{self._port}"

    async def commands(self, folder: Path) -> Sequence[Command]:
        line: list[str | Path] = [self._program, "-a", HOST, "-p", str(self._port)]
        if self._login:
            settings = folder / "nats.conf"
            settings.write_text(_LOGIN.format(*self._login, self._rights))
            line += ["--config", settings]
        if self._tls:
            line += ["--tls", "--tlscert", self._tls.certificate, "--tlskey", self._tls.key]
        return [Command(line, packages.NATS.environ(self._program))]

    async def answers(self) -> bool:
        if self._tls:
            # Its first word comes before TLS.
            return await heard(self._port, b"", b"INFO ")
        user, password = self._login or ("", "")
        hello = json.dumps({"user": user, "pass": password, "verbose": False})
        return await heard(self._port, f"CONNECT {hello}\r\nPING\r\n".encode(), b"\r\nPONG\r\n")
