"""One process of the demo: in a session of its own, with its output in a file.

With its own session, a key in the terminal, such as Ctrl-C, reaches only the demo, which then stops
its processes in order. None of them outlives the demo.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Child:
    """A command that the demo can start, watch, stop, and start again."""

    def __init__(
        self, title: str, url: str, command: Sequence[str], environ: Mapping[str, str], log: Path
    ) -> None:
        """`title`: what the user calls it. `url`: where it answers `/readyz`. `log`: the file for
        its output."""
        self.title = title
        self.url = url
        self._command = tuple(command)
        self._environ = dict(environ)
        self._log = log
        self._process: Process | None = None

    async def start(self) -> None:
        """Start the process; its output replaces the earlier output. The caller makes sure that the
        process isn't running, and that no other task starts it at the same time."""
        with self._log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                env=self._environ,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )

    @property
    def pid(self) -> int:
        """The id of the process that runs, or ran last."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    async def ended(self) -> None:
        """Return when the process isn't running."""
        if self._process:
            await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole session, so also to processes that the child has started."""
        if self.running:
            # The process may have ended, and we may not know it yet.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def kill(self) -> None:
        """Kill the process. Return when it is gone."""
        self.send(signal.SIGKILL)
        await self.ended()

    def what_is_wrong(self) -> str:
        """How the process ended, or that it isn't ready, and the last lines of its output."""
        code = self._process.returncode if self._process else None
        if code is None:
            how = "is not ready"
        elif code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit code {code}"
        with self._log.open("rb") as output:
            output.seek(max(0, self._log.stat().st_size - 4096))
            lines = output.read().decode("utf-8", "replace").splitlines()[-8:]
        last = "\n  | ".join([f"Its last lines ({self._log}):", *(lines or ["(none)"])])
        return f"{self.title} (pid {self.pid}) {how}. {last}"


def _die_with(parent: int) -> Callable[[], None] | None:
    """Let the kernel kill the child when the demo itself dies, however that happens.

    SIGKILL, because nobody would be there to send a second signal. A node loses nothing by it. Only
    Linux can do this. Elsewhere, `kill -9` of the demo leaves its nodes running, and the next demo
    says which port they take.
    """
    if sys.platform != "linux":
        return None
    # Look it up before the fork: after the fork, as little as possible may happen.
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # The demo has died in between.
            os._exit(1)

    return arrange
