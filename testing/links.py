"""The links between nodes, which a test can cut, silence, mute and heal.

Node a reaches b only through its own link, so "a hears b, b doesn't hear a" can be told, too. All
of them run in one event loop in one thread. When `cut` or `heal` returns, it has happened: nothing
passes any more, or everything does.
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

# Nothing here waits for anybody, so an order that takes this long is a bug of ours.
ORDER_TIMEOUT_S: Final = 10.0

# How a broken link looks to its ends. `reset`: open connections break, new ones are refused (the
# process is gone, the cable is out). `silence`: connections open and stay open, and nothing comes
# (a firewall drops packets); what was sent meanwhile arrives after healing, as TCP has it.
Style = Literal["reset", "silence"]


class Link:
    """One direction: whoever dials `url` reaches the port, while the link is whole."""

    def __init__(self, owner: "Links", port: int) -> None:
        """Use `Links.open`. Inside the links' loop."""
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
        """What goes this way arrives no more; the other way goes on, and connections open."""
        self._owner.do(self._mute(way))

    def heal(self) -> None:
        """Everything passes again; a link that is whole stays so."""
        self._owner.do(self._heal())

    async def close(self) -> None:
        """For good."""
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
        """A whole link to `port` of this machine; somebody may listen there later."""
        link = self.do(self._open(port))
        self._links.append(link)
        return link

    def do(self, order: Coroutine[None, None, T]) -> T:
        """Have the thread carry out `order`; what it returns."""
        return asyncio.run_coroutine_threadsafe(order, self._loop).result(ORDER_TIMEOUT_S)

    async def _open(self, port: int) -> Link:
        return Link(self, port)
