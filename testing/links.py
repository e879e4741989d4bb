"""The links between nodes, which a test can cut, silence, mute and heal.

Each node reaches each other one through a link of its own, so a test can cut one direction alone.
All links run in one event loop, in one thread. When `cut` returns, nothing passes any more; when
`heal` returns, everything does.
"""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Final, Literal, Self, TypeVar

from ratchet_server.demo import links
from ratchet_server.demo.links import Way
from ratchet_server.demo.machine import HOST

__all__ = ["HOST", "Link", "Links", "Style", "Way"]

T = TypeVar("T")

# No order waits for anything outside, so one that takes this long is a bug here.
ORDER_TIMEOUT_S: Final = 10.0

# How a broken link looks to its ends. `reset`: open connections break, and new ones are refused, as
# when the process is gone. `silence`: connections open and stay open, and nothing arrives, as when
# a firewall drops packets; after healing everything arrives that was sent meanwhile, as with TCP.
Style = Literal["reset", "silence"]


class Link:
    """One direction: a node that dials `url` reaches the port, while the link is whole."""

    def __init__(self, owner: "Links", port: int) -> None:
        """Use `Links.open`. This runs in the loop of the links."""
        self._owner = owner
        self._flows = asyncio.Event()
        self._ways: dict[Way, asyncio.Event] = {"there": asyncio.Event(), "back": asyncio.Event()}
        self._relay = links.Link(port, self._may_pass)
        self.port, self.url = self._relay.port, self._relay.url
        self._let_pass()

    def cut(self, style: Style = "reset") -> None:
        """Nothing passes from now on."""
        self._owner.do(self._cut(style))

    def mute(self, way: Way) -> None:
        """Nothing arrives this way any more. The other way works, and connections open."""
        self._owner.do(self._mute(way))

    def heal(self) -> None:
        """Everything passes again. On a whole link, it changes nothing."""
        self._owner.do(self._heal())

    async def close(self) -> None:
        """Close the link for good."""
        await self._relay.close()

    async def _cut(self, style: Style) -> None:
        self._flows.clear()
        if style == "silence":
            return self._relay.heal()
        self._relay.cut()
        return await self._relay.broken()

    async def _mute(self, way: Way) -> None:
        self._ways[way].clear()

    async def _heal(self) -> None:
        self._relay.heal()
        self._let_pass()

    def _let_pass(self) -> None:
        for passes in (self._flows, *self._ways.values()):
            passes.set()

    async def _may_pass(self, way: Way | None) -> None:
        await self._flows.wait()
        if way:
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
        """A whole link to `port` of this machine, where nothing needs to listen yet."""
        link = self.do(self._open(port))
        self._links.append(link)
        return link

    def do(self, order: Coroutine[None, None, T]) -> T:
        """Run `order` in the thread of the links, and return its result."""
        return asyncio.run_coroutine_threadsafe(order, self._loop).result(ORDER_TIMEOUT_S)

    async def _open(self, port: int) -> Link:
        return Link(self, port)
