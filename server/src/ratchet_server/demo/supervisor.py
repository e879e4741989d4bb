"""Starts the demo's processes, tells the person in front how they are, and ends them all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence

from ratchet_server.demo import messages
from ratchet_server.demo.child import Child
from ratchet_server.demo.client import Client
from ratchet_server.demo.machine import DemoError
from ratchet_server.demo.terminal import Terminal

READY_TIMEOUT_S = 60.0
# A node drains for less than this; one that takes longer is stuck.
STOP_TIMEOUT_S = 20.0
POLL_S = 0.2


class Supervisor:
    """The nodes, the balancer, and what becomes of them. After `end`, nothing is started."""

    def __init__(
        self,
        nodes: Sequence[Child],
        balancer: Child,
        client: Client,
        terminal: Terminal,
        how_to_start: Callable[[Child], str],
    ) -> None:
        """`how_to_start`: what a person who can't press Enter does to start a dead child."""
        self._nodes = nodes
        self._balancer = balancer
        self._children = [*nodes, balancer]
        self._client = client
        self._terminal = terminal
        self._how_to_start = how_to_start
        # A page and Enter may start the same child at once, while the demo is about to end.
        self._starting = asyncio.Lock()
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start_all(self) -> None:
        """Returns when all are ready. Raises `DemoError`."""
        for child in self._children:
            await child.start()
        await asyncio.gather(*map(self._must_become_ready, self._children))
        for child in self._children:
            self._in_background(self._report(child))
        self._in_background(self._start_on_enter())

    async def start(self, child: Child) -> None:
        """Returns when it has a process; one that it has is kept."""
        async with self._starting:
            if not self._ending and not child.running:
                await child.start()
                self._in_background(self._report(child, again=True))

    async def end(self) -> None:
        """Ends everything, the balancer first: then it sends nobody to a node that is going."""
        async with self._starting:
            self._ending = True
        for task in self._tasks:
            task.cancel()
        self._terminal.stop.clear()
        running = [child for child in self._children if child.running]
        if running:
            await self._terminal.say("\nStopping ...")
        self._balancer.send(signal.SIGTERM)
        # Twice: no balancer is left that would have to be told, and no node that stays.
        for number in (signal.SIGTERM, signal.SIGINT):
            for node in self._nodes:
                node.send(number)
        all_ended = asyncio.gather(*(child.ended() for child in running))
        impatient = asyncio.create_task(self._terminal.stop.wait())
        await asyncio.wait(
            (all_ended, impatient), timeout=STOP_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        impatient.cancel()
        for child in running:
            if child.running:
                await self._terminal.say(messages.killed(child))
                child.send(signal.SIGKILL)
        await all_ended

    async def _start_on_enter(self) -> None:
        while True:
            await self._terminal.enter.wait()
            self._terminal.enter.clear()
            for child in self._children:
                await self.start(child)

    async def _must_become_ready(self, child: Child) -> None:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                if not await self._becomes_ready(child):
                    raise DemoError(messages.death(child))
        except TimeoutError:
            raise DemoError(messages.not_ready(child, READY_TIMEOUT_S)) from None

    async def _becomes_ready(self, child: Child) -> bool:
        """Returns when it is ready, or False when it ended before."""
        while child.running:
            if await self._client.is_ready(child.url):
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def _report(self, child: Child, *, again: bool = False) -> None:
        """Tells the person when it is ready again, and how it ended."""
        if again and await self._becomes_ready(child):
            await self._terminal.say(messages.ready_again(child))
        await child.ended()
        await self._terminal.say(messages.death(child, pid=True))
        enter = "Press Enter to start it again."
        await self._terminal.say(enter if self._terminal.can_type else self._how_to_start(child))

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
