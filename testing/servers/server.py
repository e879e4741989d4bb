"""One real server that a test starts, kills, freezes, stops and wipes. It surely ends."""

import asyncio
import os
import shutil
import signal
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, NamedTuple, Protocol, Self, TypeVar

import pytest

from testing import packages, processes
from testing.nodes import HOST

# RabbitMQ has taken 34 s to start on a busy machine.
START_S: Final = 120.0
STOP_S: Final = 30.0
_LOOK_S: Final = 0.02
# One question and its answer.
_ANSWER_S: Final = 3.0
_SHOWN_BYTES: Final = 2000
# On Linux the system ends a server when the thread that has started it ends, however that ends.
_LEASH: Final = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


class Command(NamedTuple):
    """What a process runs, and its environment."""

    line: Sequence[str | Path]
    environ: Mapping[str, str]


class Kind(Protocol):
    """What one kind of server needs. Each object stands for one server: it has its ports."""

    @property
    def url(self) -> str:
        """Where clients find the server, as Ratchet's settings name it."""

    async def commands(self, folder: Path) -> Sequence[Command]:
        """Make the data folder ready, be it new or used, and return the processes to start."""

    async def answers(self) -> bool:
        """Whether the server does its work now. `OSError` stands for no, too."""


K = TypeVar("K", bound=Kind)


class Server(Generic[K]):
    """A server of this kind, and its processes while it has some. It keeps its ports and its data.

    Use it in a `with` statement, which kills it at the end. Start it in the main thread.
    """

    def __init__(self, kind: K, folder: Path) -> None:
        """`folder`: holds the data and the log. It may be new."""
        self.kind = kind
        self.log = folder / "log"
        self._data = folder / "data"
        self._processes: list[processes.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where clients find it, as Ratchet's settings name it."""
        return self.kind.url

    @property
    def pids(self) -> list[int]:
        """Its processes. Empty while it is down."""
        return [process.pid for process in self._processes]

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        assert not self._processes, "it runs already"
        self._data.mkdir(parents=True, exist_ok=True)
        for line, environ in await self.kind.commands(self._data):
            command = [*_LEASH, *map(str, line)]
            self._processes.append(processes.start(command, self.log, environ))
        try:
            await self._up()
        except BaseException:
            self.kill()
            raise

    async def recover(self) -> None:
        """Thaw it, or start it if it has ended, and wait until it answers."""
        if self._has_ended():
            self.kill()
            await self.start()
        else:
            self.thaw()
            await self._up()

    async def answers(self) -> bool:
        """Whether it does its work now."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self.kind.answers()
        except OSError:
            return False

    def kill(self) -> None:
        """End all its processes at once, as a crash does."""
        while self._processes:
            processes.end(self._processes.pop())

    async def stop(self) -> None:
        """Ask it to end, and wait until it has ended."""
        self.thaw()
        while self._processes:
            # Those that were started first are needed longest.
            await asyncio.to_thread(processes.end, self._processes[-1], STOP_S)
            self._processes.pop()

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does. Its connections stay open."""
        self._signal(signal.SIGSTOP)
        for process in self._processes:
            # A process with many threads goes on for a moment.
            os.waitpid(process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def wipe(self) -> None:
        """Delete its data. It must be down."""
        assert not self._processes, "it still runs"
        shutil.rmtree(self._data, ignore_errors=True)

    def _has_ended(self) -> bool:
        return not self._processes or any(process.poll() is not None for process in self._processes)

    async def _up(self) -> None:
        try:
            async with asyncio.timeout(START_S):
                while not await self.answers():
                    if self._has_ended():
                        raise AssertionError(f"a server has ended:\n{self._complaints()}")
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise AssertionError(f"not up in {START_S} s:\n{self._complaints()}") from None

    def _signal(self, number: int) -> None:
        for process in self._processes:
            process.send_signal(number)

    def _complaints(self) -> str:
        return self.log.read_bytes()[-_SHOWN_BYTES:].decode(errors="replace")


def needed(package: packages.Package) -> Path:
    """Where this program is. Without it the test is skipped. If `CI` is set, it fails."""
    found = package.find()
    if not found:
        why = f"no {package.name}: python -m testing.packages brings it, or says why it can't"
        if packages.in_ci():
            pytest.fail(why)
        pytest.skip(why)
    return found


async def heard(port: int, said: bytes, expected: bytes, *, tls: bool = False) -> bool:
    """Whether the server at this port, told `said`, answers with `expected` in its first words."""
    reader, writer = await asyncio.open_connection(HOST, port, ssl=_anybody() if tls else None)
    try:
        writer.write(said)
        await reader.readuntil(expected)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return False
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
    return True


def _anybody() -> ssl.SSLContext:
    """TLS with whatever certificate. The test looks at it, not we."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
