"""Nodes that start fast: each is a fork of one process that has imported everything.

More than half of a node's start is imports. They are the same each time, and the tests start
hundreds of nodes. The rest is a process like any other: with its own session, environment, limits,
log and exit code. But it inherits its mask of signals from the process that it is a fork of, not
from the test; and its Python ends a little earlier than others.
"""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Final

_forks: Final = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["ratchet_server.cli", "ratchet_server.node", __name__])
_INHERITED: Final = (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)


class Forked:
    """A command `ratchet`, as `subprocess.Popen` shows it."""

    def __init__(
        self,
        arguments: Sequence[str],
        output: Path,
        environ: Mapping[str, str],
        files: tuple[int, int] | None = None,
    ) -> None:
        """`files`: how many it may open, softly and at the most."""
        # As with a child of this process, the file exists at once, and these limits are inherited.
        output.touch()
        limits = {number: resource.getrlimit(number) for number in _INHERITED}
        if files:
            limits[resource.RLIMIT_NOFILE] = files
        passed = ([*arguments], output, dict(environ), limits)
        self._process = _forks.Process(target=_run, args=passed, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code; negative: killed by that signal. None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends, and return the exit code. Raises `TimeoutExpired`."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise TimeoutExpired("ratchet", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _run(
    arguments: list[str],
    output: Path,
    environ: dict[str, str],
    limits: dict[int, tuple[int, int]],
) -> None:
    """What the new process does."""
    os.setsid()
    for number, limit in limits.items():
        resource.setrlimit(number, limit)
    os.environ.clear()
    os.environ.update(environ)
    with output.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv = ["ratchet", *arguments]
    from ratchet_server.__main__ import main

    sys.exit(main())
