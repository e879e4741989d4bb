"""The links between nodes: a TCP proxy for each direction, which a test can cut and heal.

Node a reaches b only through its own proxy, so "a hears b, b doesn't hear a" can be told, too. All
of them run in one event loop in one thread. When `cut` or `heal` returns, it has happened: nothing
passes any more, or everything does.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Final, Literal, Self

HOST: Final = "127.0.0.1"
CHUNK: Final = 64 * 1024
# Nothing here waits for anybody, so an order that takes this long is a bug of ours.
ORDER_TIMEOUT_S: Final = 10.0

# How a broken link looks to its ends. `reset`: open connections break, new ones are refused (the
# process is gone, the cable is out). `silence`: connections open and stay open, and nothing comes
# (a firewall drops packets); what was sent meanwhile arrives after healing, as TCP has it.
Style = Literal["reset", "silence"]

# What the side that dialled says goes "there"; what it is told comes "back".
Way = Literal["there", "back"]


class Link:
    """One direction: whoever dials `url` reaches `target`, while the link is whole."""

    def __init__(self, links: "Links", target: tuple[str, int]) -> None:
        """Use `Links.open`."""
        self._links = links
        self._target = target
        # Bound and never listening: connections are refused and yet nobody else gets the port
        # while the link is cut.
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self._listener: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._ways: dict[Way, asyncio.Event] = {"there": asyncio.Event(), "back": asyncio.Event()}

    def cut(self, style: Style = "reset") -> None:
        """Nothing passes from now on."""
        self._links.do(self._cut(style))

    def mute(self, way: Way) -> None:
        """What goes this way arrives no more; the other way goes on, and connections open."""
        self._links.do(self._mute(way))

    def heal(self) -> None:
        """Everything passes again; a link that is whole stays so."""
        self._links.do(self._heal())

    async def _cut(self, style: Style) -> None:
        self._flows.clear()
        if style == "reset":
            await self._stop()
        else:
            self._accept()

    async def _mute(self, way: Way) -> None:
        self._ways[way].clear()

    async def _heal(self) -> None:
        self._accept()
        for passes in (self._flows, *self._ways.values()):
            passes.set()

    async def close(self) -> None:
        """For good."""
        await self._stop()
        self._place.close()

    def _accept(self) -> None:
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.listen(100)
            asyncio.get_running_loop().add_reader(self._listener, self._take, self._listener)

    def _take(self, listener: socket.socket) -> None:
        """Somebody dials. Not awaited in a task: cancelled just then, it would lose the socket."""
        try:
            near, _ = listener.accept()
        except OSError:
            return  # they have gone again
        near.setblocking(False)
        task = asyncio.create_task(self._join(near))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # Here, as a task that is cancelled before its first step never runs.
        task.add_done_callback(lambda _: near.close())

    async def _stop(self) -> None:
        if self._listener:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _join(self, near: socket.socket) -> None:
        far = socket.socket()
        far.setblocking(False)
        with far:
            try:
                await self._flows.wait()
                await asyncio.get_running_loop().sock_connect(far, self._target)
                await _both(self._pass(near, far, "there"), self._pass(far, near, "back"))
            except (OSError, asyncio.CancelledError):
                # An end that broke, or the link was cut: neither end gets a polite good-bye.
                for sock in (near, far):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _pass(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await loop.sock_recv(source, CHUNK):
            # Asked again for every chunk: what is read while the link is cut waits here.
            await self._is_whole(way)
            await loop.sock_sendall(sink, chunk)
        await self._is_whole(way)
        sink.shutdown(socket.SHUT_WR)

    async def _is_whole(self, way: Way) -> None:
        await self._flows.wait()
        await self._ways[way].wait()


class Links:
    """All links of a cluster, in a thread of their own. Use it in a `with` statement."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._links: list[Link] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for link in self._links:
            self.do(link.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, port: int) -> Link:
        """A whole link to `port` of this machine; somebody may listen there later."""
        link = Link(self, (HOST, port))
        self._links.append(link)
        link.heal()
        return link

    def do(self, order: Coroutine[None, None, None]) -> None:
        """Have the thread carry out `order`; returns when it is done."""
        asyncio.run_coroutine_threadsafe(order, self._loop).result(ORDER_TIMEOUT_S)


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # The place and its listener share the port.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((HOST, port))
    return sock


async def _both(there: Coroutine[None, None, None], back: Coroutine[None, None, None]) -> None:
    """Run until both have ended, or one has failed; neither runs on afterwards."""
    tasks = [asyncio.create_task(there), asyncio.create_task(back)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
