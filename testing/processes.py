"""Child processes of tests, which surely end.

Each has a session of its own: a Ctrl-C in the terminal is for the tests, which end their children.
"""

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

Process = subprocess.Popen[bytes]


def start(
    command: Sequence[str],
    output: Path,
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> Process:
    """Its output is added to the file. `options`: further ones of `subprocess.Popen`."""
    with output.open("ab") as out:
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            env=environ,
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, **options},
        )


def end(process: Process, patience_s: float = 0) -> None:
    """It is gone: killed, or by SIGTERM, if it ends in time."""
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
    """`start`, and `end` whatever happens."""
    process = start(command, output, environ, **options)
    try:
        yield process
    finally:
        end(process, patience_s)
