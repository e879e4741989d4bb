"""A RabbitMQ server: one node, with an epmd of its own that ends with it."""

import os
from collections.abc import Sequence
from pathlib import Path

import aiormq

from testing import packages
from testing.certificates import Files
from testing.nodes import HOST, free_port
from testing.servers.server import Command, heard, needed

# The package's own script starts only what is in /usr/lib. This one starts what is beside RabbitMQ.
_ERL = """#!/bin/sh
export ROOTDIR={erlang} BINDIR={erts} EMU=beam PROGNAME=erl
exec {erts}/erlexec "$@"
"""
_PLAIN = """
listeners.tcp.1 = {host}:{port}
"""
_TLS = """
listeners.tcp = none
listeners.ssl.1 = {host}:{port}
ssl_options.certfile = {tls.certificate}
ssl_options.keyfile = {tls.key}
"""
_SETTINGS = """
default_user = {user}
default_pass = {password}
default_permissions.configure = {configure}
default_permissions.write = {write}
default_permissions.read = {read}
log.console.level = warning
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MB
"""


class RabbitMQ:
    """See `server.Kind`. A login that was given once is in the data."""

    def __init__(
        self,
        *,
        login: tuple[str, str] = ("guest", "guest"),
        rights: tuple[str, str, str] = (".*", ".*", ".*"),
        tls: Files | None = None,
    ) -> None:
        """`login`: the name and the password without which it hears nobody. `rights`: what the
        login may configure, write and read, as patterns of names. `tls`: its certificate."""
        self._tls = tls
        self._program = needed(packages.RABBITMQ)
        self._login = login
        self._rights = rights
        # For clients, for other nodes, and epmd's.
        self._port, self._nodes, self._names = range(port := free_port(), port + 3)
        self.url = f"amqp{'s' if tls else ''}://" + "{}:{}@".format(*login) + f"{HOST}:{self._port}"

    async def commands(self, folder: Path) -> Sequence[Command]:
        erlang = self._program.parents[4] / "erlang"
        (erts,) = erlang.glob("erts-*/bin")
        (folder / "erl").write_text(_ERL.format(erlang=erlang, erts=erts))
        (folder / "erl").chmod(0o755)
        user, password = self._login
        configure, write, read = self._rights
        settings = (_SETTINGS + (_TLS if self._tls else _PLAIN)).format(
            tls=self._tls,
            host=HOST,
            port=self._port,
            user=user,
            password=password,
            configure=configure,
            write=write,
            read=read,
        )
        (folder / "rabbitmq.conf").write_text(settings)
        (folder / "plugins").write_text("[].")
        environ = {
            **packages.RABBITMQ.environ(self._program),
            "PATH": f"{folder}:{os.environ['PATH']}",
            # For the cookie, which Erlang makes.
            "HOME": str(folder),
            # With this, the script becomes the server, and no shell waits for it.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Otherwise Erlang leaves its dump where the tests run.
            "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
            "ERL_EPMD_PORT": str(self._names),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": "ratchet@localhost",
            "RABBITMQ_DIST_PORT": str(self._nodes),
            "RABBITMQ_BASE": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }
        names = Command([erts / "epmd", "-address", HOST, "-port", str(self._names)], environ)
        return [names, Command([self._program], environ)]

    async def answers(self) -> bool:
        # While it says no hello, the client would complain on the log.
        hello = b"AMQP\x00\x00\x09\x01"
        if not await heard(self._port, hello, b"RabbitMQ", tls=self._tls is not None):
            return False
        try:
            # The test looks at its certificate, not we.
            async with aiormq.connect(f"{self.url}/?no_verify_ssl=1"):
                return True
        except aiormq.AMQPError:
            return False
