"""A ZooKeeper server that is alone. Its shortest session lasts a second."""

import os
from collections.abc import Sequence
from pathlib import Path

from testing import packages
from testing.nodes import HOST, free_port
from testing.servers.java import java
from testing.servers.server import Command, heard, needed

_SETTINGS = """
tickTime=500
dataDir={folder}/data
clientPort={port}
clientPortAddress={host}
admin.enableServer=false
# Only a crash of the machine could lose data by this.
forceSync=no
4lw.commands.whitelist=ruok
"""


class ZooKeeper:
    """See `server.Kind`."""

    def __init__(self) -> None:
        self._jars = needed(packages.ZOOKEEPER)
        self._port = free_port()
        self.url = f"zookeeper://{HOST}:{self._port}"

    async def commands(self, folder: Path) -> Sequence[Command]:
        settings = folder / "zoo.cfg"
        settings.write_text(_SETTINGS.format(folder=folder, host=HOST, port=self._port))
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        return [Command(java(self._jars, 64, main, settings), os.environ)]

    async def answers(self) -> bool:
        return await heard(self._port, b"ruok", b"imok")
