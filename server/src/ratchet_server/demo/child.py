"""One process of the demo: in its own session, its output in a file, never outliving the demo.

A session of its own, so that Ctrl-C in the terminal reaches the demo alone, which then stops the
others in order.
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
    """A command that can be started, watched, stopped and started again."""

    def __init__(
        self, name: str, url: str, command: Sequence[str], environ: Mapping[str, str], log: Path
    ) -> None:
        """`url`: where it answers `/readyz`. `log`: where its output goes."""
        self.name = name
        self.url = url
        self.log = log
        self._command = tuple(command)
        self._environ = dict(environ)
        self._process: Process | None = None

    async def start(self) -> None:
        """Its earlier output is replaced. The caller has seen that it isn't running, and makes
        sure that it is started once at a time."""
        with self.log.open("wb") as output:
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
        """Of the process that runs, or ran last."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether it has a process."""
        return self._process is not None and self._process.returncode is None

    async def ended(self) -> None:
        """Returns when it isn't running."""
        if self._process:
            await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """To the whole session: what the child started goes with it."""
        if self.running:
            # Its end may be known to the kernel, and not yet to us.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def kill(self) -> None:
        """Returns when it is gone."""
        self.send(signal.SIGKILL)
        await self.ended()

    def how_it_ended(self) -> str:
        """For people."""
        code = self._process.returncode if self._process else None
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def last_lines(self, count: int = 8) -> list[str]:
        """Of its output."""
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
