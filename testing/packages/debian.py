"""Programs from packages of Debian or Ubuntu, which are downloaded and unpacked.

Installing them would start services. Root is not needed: apt gets lists of its own. It checks the
packages' signatures; the system's release decides their versions.
"""

import os
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testing.packages import cache
from testing.packages.cache import Missing

# What was unpacked on one system does not run on another that shares the home folder.
_UNPACKED: Final = f"{platform.system()}-{platform.machine()}-{platform.libc_ver()[1]}"


@dataclass(frozen=True)
class Debian:
    """See `Package`."""

    name: str
    package: str
    # Where the package has the program. A pattern, if a part of the path is its version.
    place: str
    # What the program prints its version for.
    asks: str = "--version"
    # Whether the program needs nothing of the packages that its own asks for.
    alone: bool = False

    def find(self) -> Path | None:
        on_path = shutil.which(Path(self.place).name) if "*" not in self.place else None
        if on_path:
            return Path(on_path)
        found = (program for root in (Path("/"), self._root) for program in root.glob(self.place))
        return next(found, None)

    def environ(self, program: Path) -> Mapping[str, str]:
        """An environment in which `program` finds its libraries."""
        if not program.is_relative_to(self._root):
            return os.environ
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, self._root.glob("usr/lib/*-*")))}

    def version(self, program: Path) -> str:
        # Where the place is a pattern, the program is in a folder of a folder with its version.
        said = (
            program.parents[1].name
            if "*" in self.place
            else cache.run([program, self.asks], self.environ(program))
        )
        number = re.search(r"\d+(\.\d+)+", said)
        return number[0] if number else said

    def bring(self, scratch: Path) -> None:
        with cache.new(self._root) as root:
            wanted = f"{self.package}_*.deb" if self.alone else "*.deb"
            for package in _download(self.package, scratch).glob(wanted):
                cache.run(["dpkg-deb", "-x", package, root])

    @property
    def _root(self) -> Path:
        return cache.HOME / _UNPACKED / self.package


def _download(package: str, scratch: Path) -> Path:
    """A folder with this package, and with those that it needs and this machine lacks."""
    if not shutil.which("apt-get"):
        raise Missing("it is not on the PATH, and this system has no apt-get")
    apt = [
        "apt-get",
        "-qq",
        f"-oDir::State::lists={scratch}/lists",
        f"-oDir::Cache={scratch}",
        "-oDir::State::status=/var/lib/dpkg/status",
        "-oAPT::Sandbox::User=",
        "-oDebug::NoLocking=1",
    ]
    lists, archives = scratch / "lists", scratch / package
    if not lists.exists():
        (lists / "partial").mkdir(parents=True)
        cache.run([*apt, "update"])
    (archives / "partial").mkdir(parents=True)
    options = [f"-oDir::Cache::archives={archives}", "--no-install-recommends"]
    cache.run([*apt, *options, "--yes", "--download-only", "install", package])
    return archives
