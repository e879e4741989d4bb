"""One server of each kind for all tests of a process: some take seconds to start."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from testing.servers.server import K, Server


class Shared:
    """Starts a server when a test first asks for it. A `with` statement ends them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[Callable[[], Any], Server[Any]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    async def get(self, kind: Callable[[], K]) -> Server[K]:
        """The server of this kind. It is up, whatever the last test has done to it.

        It holds what other tests have left: take names of your own.
        """
        server = self._servers.get(kind)
        if not server:
            one = Server(kind(), self._folder / str(len(self._servers)))
            server = self._servers[kind] = self._stack.enter_context(one)
        await server.recover()
        return server
