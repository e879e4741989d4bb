"""Finds or brings the programs of the servers that tests talk to. It installs nothing.

    python -m testing.packages

It takes the first that is there: a program of this machine, or one that it has brought before. If
there is none, it downloads Debian's packages, whose signatures apt checks, and unpacks them into
`~/.cache/ratchet` (or `$XDG_CACHE_HOME/ratchet`). Installing them would start services. Debian
chooses the versions. Where a program can't be had, this says what is not tested. That is an error
if the variable `CI` is set.
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HOME: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ratchet"
# What was unpacked on one system does not run on another that shares this home.
_UNPACKED: Final = _HOME / f"{platform.system()}-{platform.machine()}-{platform.libc_ver()[1]}"
_COMMAND_S: Final = 600


class Missing(Exception):
    """The program can't be had. The text says why."""


@dataclass(frozen=True)
class Debian:
    """A program that a package of Debian or Ubuntu has, too."""

    name: str
    package: str
    # Where the package has it, from the root folder. A pattern, if a version is part of the path.
    place: str
    untested: str

    def find(self) -> Path | None:
        """The program, if this machine has it or it was brought before."""
        on_path = shutil.which(Path(self.place).name) if "*" not in self.place else None
        unpacked = (path for root in (Path("/"), self._root) for path in root.glob(self.place))
        return Path(on_path) if on_path else next(unpacked, None)

    def environ(self, program: Path) -> Mapping[str, str]:
        """The environment in which `program` finds its libraries."""
        if not program.is_relative_to(self._root):
            return os.environ
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, self._root.glob("usr/lib/*-*")))}

    def version(self, program: Path) -> str:
        """What `program` says about itself. Raises `Missing` if it does not run."""
        if "*" in self.place:
            return "as the path says"
        return _run([program, "--version"], self.environ(program)).partition("\n")[0]

    def bring(self, apt: "Apt") -> None:
        """Unpack the package, and those that it needs and this machine lacks. Raises `Missing`."""
        with _new(self._root) as root:
            for package in apt.download(self.package):
                _run(["dpkg-deb", "-x", package, root])

    @property
    def _root(self) -> Path:
        return _UNPACKED / self.package


class Apt:
    """Downloads packages by an apt whose lists are in a folder of ours: root is not needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._options = [
            f"-oDir::State::lists={folder}/lists",
            f"-oDir::Cache={folder}",
            "-oDir::State::status=/var/lib/dpkg/status",
            "-oAPT::Sandbox::User=",
            "-oDebug::NoLocking=1",
        ]

    def download(self, package: str) -> list[Path]:
        """The files of this package, and of those that it needs and this machine lacks."""
        if not shutil.which("apt-get"):
            raise Missing("it is not on the PATH, and this system has no apt-get")
        lists, archives = self._folder / "lists", self._folder / package
        if not lists.exists():
            (lists / "partial").mkdir(parents=True)
            self._run("update")
        (archives / "partial").mkdir(parents=True)
        options = [f"-oDir::Cache::archives={archives}", "--no-install-recommends"]
        self._run(*options, "--yes", "--download-only", "install", package)
        return [*archives.glob("*.deb")]

    def _run(self, *arguments: str) -> None:
        _run(["apt-get", "-qq", *self._options, *arguments])


NATS: Final = Debian("NATS", "nats-server", "usr/sbin/nats-server", "buses over NATS")
REDIS: Final = Debian("Redis", "redis-server", "usr/bin/redis-server", "buses over Redis")
ETCD: Final = Debian("etcd", "etcd-server", "usr/bin/etcd", "the registry etcd")
RABBITMQ: Final = Debian(
    "RabbitMQ",
    "rabbitmq-server",
    "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "buses over RabbitMQ",
)
ALL: Final = (NATS, REDIS, ETCD, RABBITMQ)


def main() -> int:
    """Bring what is missing, and print a line for each program. Returns 0 if the tests can run."""
    complete = True
    _HOME.mkdir(parents=True, exist_ok=True)
    with _alone(), tempfile.TemporaryDirectory(dir=_HOME, prefix=".apt-") as folder:
        apt = Apt(Path(folder))
        for one in ALL:
            try:
                if not one.find():
                    print(f"packages: {one.name}: downloading", flush=True)
                    one.bring(apt)
                program = one.find()
                if not program:
                    raise Missing(f"the package {one.package} has no {one.place}")
                print(f"packages: {one.name}: {program} ({one.version(program)})", flush=True)
            except Missing as why:
                complete = False
                print(f"packages: {one.name}: MISSING, so NOT TESTED: {one.untested}. {why}")
    return 0 if complete or not in_ci() else 1


def in_ci() -> bool:
    """Whether every test must run: what is missing is an error."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process brings programs, and let none begin."""
    with (_HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """A folder to fill. It gets its name when all is in it: what has the name is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        content = Path(temporary) / "content"
        content.mkdir()
        yield content
        shutil.rmtree(folder, ignore_errors=True)
        content.rename(folder)


def _run(command: list[str | Path], environ: Mapping[str, str] | None = None) -> str:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environ,
            timeout=_COMMAND_S,
            check=True,
            text=True,
        ).stdout
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout).strip().rpartition("\n")[2]
        raise Missing(f"{' '.join(map(str, command))} failed: {last}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
