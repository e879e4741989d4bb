"""One process that the demo runs: in its own session, its output in a file, never outliving us.

A session of its own, so that Ctrl-C in the terminal reaches the demo alone, which then stops the
others in order.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Child:
    """A command that can be started, watched, stopped and started again."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        *,
        files: Sequence[int] = (),
    ) -> None:
        """`files`: the numbers of open files that it inherits."""
        self.name = name
        self.command = tuple(command)
        self.log = log
        self._environ = dict(environ)
        self._files = tuple(files)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Its earlier output is replaced. The caller has seen that it isn't running."""
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environ,
                pass_fds=self._files,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """To the whole session: what the child started goes with it."""
        if self.running:
            os.killpg(self.pid, number)

    def how_it_ended(self) -> str:
        code = self._process.returncode if self._process else None
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def last_lines(self, count: int = 8) -> list[str]:
        with self.log.open("rb") as output:
            output.seek(max(0, self.log.stat().st_size - 4096))
            return output.read().decode("utf-8", "replace").splitlines()[-count:]


def _die_with(parent: int) -> Callable[[], None] | None:
    """Has the kernel kill the child when the demo itself is killed, however that happens.

    SIGKILL, since nobody would be there to insist; a node loses nothing by it. Linux only: a demo
    that is killed with -9 elsewhere leaves its nodes, and the next one names the taken port.
    """
    if sys.platform != "linux":
        return None
    # Looked up before the fork: afterwards as little as possible may happen.
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return arrange
