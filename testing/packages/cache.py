"""The folder of programs that were brought: what is in it under its name is whole."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HOME: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ratchet"
# Building Consul takes five minutes of one core.
_COMMAND_S: Final = 1800


class Missing(Exception):
    """A program can't be had. The text says why."""


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process brings programs, and let none begin."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def new(folder: Path) -> Iterator[Path]:
    """A folder to fill, which is named `folder` at the end if nothing was raised."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        content = Path(temporary) / "content"
        content.mkdir()
        yield content
        shutil.rmtree(folder, ignore_errors=True)
        content.rename(folder)


def run(command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> str:
    """What `command` prints, on stderr if there is nothing on stdout. Raises `Missing` if it
    fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environ,
            timeout=_COMMAND_S,
            check=True,
            text=True,
        )
        return done.stdout or done.stderr
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip()
        raise Missing(f"{' '.join(map(str, command))} failed: {said}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from None
