"""A Redis server. It keeps nothing on the disk."""

from collections.abc import Sequence
from pathlib import Path

from testing import packages
from testing.nodes import HOST, free_port
from testing.servers.server import Command, heard, needed


class Redis:
    """See `server.Kind`."""

    def __init__(
        self, *, login: tuple[str, str] | None = None, rights: str = "~* &* +@all"
    ) -> None:
        """`login`: the name and the password without which it hears nobody. `rights`: what the
        login may do, as rules of an ACL."""
        self._program = needed(packages.REDIS)
        self._login = login
        self._rights = rights
        self._port = free_port()
        at = "{}:{}@".format(*login) if login else ""
        self.url = f"redis://{at}{HOST}:{self._port}"

    async def commands(self, folder: Path) -> Sequence[Command]:
        line: list[str | Path] = [self._program, "--bind", HOST, "--port", str(self._port)]
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
        return await heard(self._port, f"{login}PING\r\n".encode(), b"+PONG\r\n")
