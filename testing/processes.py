"""Child processes of tests, which surely end.

Each has a session of its own: a Ctrl-C in the terminal reaches the tests alone, and they end their
children.
"""

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from testing.forked import Forked

Process = subprocess.Popen[bytes]


def start(
    command: Sequence[str],
    output: Path,
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> Process:
    """Start a process, and append its output to a file. `options`: see `subprocess.Popen`."""
    with output.open("ab") as out:
        return subprocess.Popen(
            command,
            stderr=out,
            env=environ,
            **{"start_new_session": True, "stdin": subprocess.DEVNULL, "stdout": out, **options},
        )


def end(process: Process | Forked, patience_s: float = 0) -> None:
    """End a process: by SIGTERM if it ends within `patience_s`, otherwise by SIGKILL."""
    if patience_s:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    process.kill()
    process.wait()


@contextmanager
def running(
    command: Sequence[str],
    output: Path,
    environ: Mapping[str, str] | None = None,
    *,
    patience_s: float = 0,
    **options: Any,
) -> Iterator[Process]:
    """`start` a process, and `end` it at the end of the `with` statement."""
    process = start(command, output, environ, **options)
    try:
        yield process
    finally:
        end(process, patience_s)
