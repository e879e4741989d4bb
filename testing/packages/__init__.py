"""The programs of the servers that tests talk to: finds or brings them, and installs nothing.

    python -m testing.packages

It takes the first that is there: a program of this machine, or one that it has brought before. If
there is none, it unpacks Debian's packages (see `debian`) or lets Maven download jars (see `jars`),
into `~/.cache/ratchet` or `$XDG_CACHE_HOME/ratchet`. Where a program can't be had, it says what is
not tested. That is an error if the variable `CI` is set.
"""

import os
from pathlib import Path
from typing import Final, Protocol

from testing.packages.debian import Debian
from testing.packages.jars import Jars

NATS: Final = Debian("NATS", "nats-server", "usr/sbin/nats-server")
REDIS: Final = Debian("Redis", "redis-server", "usr/bin/redis-server")
ETCD: Final = Debian("etcd", "etcd-server", "usr/bin/etcd")
RABBITMQ: Final = Debian(
    "RabbitMQ", "rabbitmq-server", "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
)
NGINX: Final = Debian("nginx", "nginx-light", "usr/sbin/nginx", "-v")
CADDY: Final = Debian("Caddy", "caddy", "usr/bin/caddy", "version")
# It has promtool, too. Both are static programs; the rest is for its pages.
PROMETHEUS: Final = Debian("Prometheus", "prometheus", "usr/bin/prometheus", alone=True)
# With the one jar that makes a server in Java say on its output what it complains of.
KAFKA: Final = Jars("Kafka", ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36"))
ZOOKEEPER: Final = Jars(
    "ZooKeeper",
    (
        "org.apache.zookeeper:zookeeper:3.9.5",
        # It says that these are optional, but its server ends without them.
        "io.dropwizard.metrics:metrics-core:4.1.12.1",
        "org.xerial.snappy:snappy-java:1.1.10.5",
        "org.slf4j:slf4j-simple:2.0.13",
    ),
)


class Package(Protocol):
    """A program, and where it comes from."""

    @property
    def name(self) -> str:
        """What people call it."""

    def find(self) -> Path | None:
        """The program, if it is on this machine."""

    def version(self, program: Path, /) -> str:
        """For people. Raises `Missing` if the program does not run."""

    def bring(self, scratch: Path, /) -> None:
        """Put it into the cache. Raises `Missing`.

        `scratch`: a folder for what is needed only meanwhile. All packages of a kind share it, one
        after the other.
        """


# What comes from one source is brought one after the other; the sources side by side.
SOURCES: Final[tuple[tuple[Package, ...], ...]] = (
    (NATS, REDIS, ETCD, RABBITMQ, NGINX, CADDY, PROMETHEUS),
    (KAFKA, ZOOKEEPER),
)


def in_ci() -> bool:
    """Whether every test must run, so that a missing program is an error."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}
