"""Programs in Java, whose jars Maven downloads. The hash of each jar is in a list beside this file.

To change a version, change it where the package is named. The command then says what has to change
in the list.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testing.packages import cache
from testing.packages.cache import Missing

# Kafka 4 needs it.
_JAVA: Final = 17
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.11.0:copy-dependencies"
_PROJECT: Final = """<project>
<modelVersion>4.0.0</modelVersion>
<groupId>ratchet</groupId><artifactId>ratchet</artifactId><version>1</version>
<dependencies>{}</dependencies>
</project>"""
_DEPENDENCY: Final = """<dependency>
<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>
</dependency>"""


@dataclass(frozen=True)
class Jars:
    """See `Package`. The program is a folder of jars."""

    name: str
    # With their versions. The first is the program itself.
    artifacts: Sequence[str]

    def find(self) -> Path | None:
        return self._folder if self._folder.exists() and java() else None

    def version(self, _folder: Path) -> str:
        return self.artifacts[0].rpartition(":")[2]

    def bring(self, scratch: Path) -> None:
        if not java() or not shutil.which("mvn"):
            raise Missing(f"it needs Java {_JAVA} and Maven (Debian: apt-get install maven)")
        with cache.new(self._folder) as folder:
            _download(self.artifacts, scratch, folder)
            brought = {f"{_hash(jar.read_bytes())}  {jar.name}" for jar in folder.iterdir()}
            listed = {*self._list.read_text().splitlines()}
            if brought != listed:
                changes = [f"- {jar}" for jar in sorted(listed - brought)]
                changes += [f"+ {jar}" for jar in sorted(brought - listed)]
                raise Missing("\n".join([f"not what {self._list} lists:", *changes]))

    @property
    def _list(self) -> Path:
        """As `sha256sum` prints it."""
        return Path(__file__).with_name(f"{self.name.lower()}.sha256")

    @property
    def _folder(self) -> Path:
        content = repr(self.artifacts).encode() + self._list.read_bytes()
        return cache.HOME / f"{self.name.lower()}-{_hash(content)[:12]}"


def java() -> Path | None:
    """This machine's Java, if it is new enough."""
    program = shutil.which("java")
    try:
        # The first line is like "openjdk 17.0.15 2025-04-15".
        number = cache.run([program, "--version"]).split()[1] if program else "0"
    except Missing:
        return None
    return Path(program) if program and int(number.partition(".")[0]) >= _JAVA else None


def _download(artifacts: Sequence[str], scratch: Path, to: Path) -> None:
    """Put these jars, and all that they need, into the folder `to`."""
    dependencies = "".join(_DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)
    project = scratch / "pom.xml"
    project.write_text(_PROJECT.format(dependencies))
    maven = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", "-f", str(project)]
    # A repository of our own: jars that somebody built or changed may be in the usual one.
    repository = f"-Dmaven.repo.local={scratch}/repository"
    cache.run([*maven, repository, "-DincludeScope=runtime", f"-DoutputDirectory={to}", _COPY])


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
