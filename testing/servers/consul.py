"""An agent of Consul: a stand-in everywhere, and the real one where it is there."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from testing.nodes import HOST, free_port
from testing.packages import consul
from testing.servers.server import Command, heard


class ConsulStandIn:
    """See `server.Kind`. It runs `testing.consul`."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"consul://{HOST}:{self._port}"

    async def commands(self, folder: Path) -> Sequence[Command]:  # noqa: ARG002  # it keeps nothing
        line = [sys.executable, "-m", "testing.consul", str(self._port)]
        return [Command(line, os.environ)]

    async def answers(self) -> bool:
        call = b"GET /v1/health/service/nothing HTTP/1.0\r\n\r\n"
        return await heard(self._port, call, b"X-Consul-Index")


class RealConsul:
    """See `server.Kind`. One server, which is its own leader."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"consul://{HOST}:{self._port}"

    async def commands(self, folder: Path) -> Sequence[Command]:
        program = consul.find()
        assert program, "there is no consul"
        line: list[str | Path] = [program, "agent", "-server", "-bootstrap-expect=1"]
        line += [f"-data-dir={folder}", "-node=a", f"-bind={HOST}", f"-client={HOST}"]
        line += [f"-http-port={self._port}", f"-server-port={self._port + 1}"]
        line += [f"-serf-lan-port={self._port + 2}", "-serf-wan-port=-1", "-dns-port=-1"]
        line += ["-grpc-port=-1", "-grpc-tls-port=-1", "-disable-host-node-id"]
        line += ["-hcl=performance { raft_multiplier = 1 } disable_update_check = true"]
        return [Command(line, os.environ)]

    async def answers(self) -> bool:
        # It is ready when it has a leader, and knows itself.
        call = b"GET /v1/health/service/consul?passing HTTP/1.0\r\n\r\n"
        return await heard(self._port, call, b'"Service":"consul"')
