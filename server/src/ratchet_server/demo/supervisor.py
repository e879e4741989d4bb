"""Starts the demo's processes, says what becomes of them, and ends them all."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Sequence

from ratchet_server.demo.child import Child
from ratchet_server.demo.client import Client
from ratchet_server.demo.machine import DemoError
from ratchet_server.demo.terminal import Terminal

READY_TIMEOUT_S = 60.0
# A node needs less than this to drain. A node that takes longer is stuck.
STOP_TIMEOUT_S = 20.0
POLL_S = 0.2
POLL_TIMEOUT_S = 1.0


class Supervisor:
    """Looks after the nodes and the balancer. It starts nothing after `end`."""

    def __init__(
        self, nodes: Sequence[Child], balancer: Child, client: Client, terminal: Terminal
    ) -> None:
        self._nodes = nodes
        self._balancer = balancer
        self._children = [*nodes, balancer]
        self._client = client
        self._terminal = terminal
        # A page and Enter may start the same child at once, while the demo is about to end.
        self._starting = asyncio.Lock()
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start_all(self) -> None:
        """Return when all processes are ready. Raises `DemoError`."""
        for child in self._children:
            await child.start()
        await asyncio.gather(*map(self._must_become_ready, self._children))
        for child in self._children:
            self._in_background(self._report(child))
        self._in_background(self._start_on_enter())

    async def start(self, child: Child) -> None:
        """Start `child` unless it is running. Return when its process is there."""
        async with self._starting:
            if not self._ending and not child.running:
                await child.start()
                self._in_background(self._report(child, again=True))

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all processes."""
        for child in self._children:
            child.send(number)

    async def end(self) -> None:
        """End everything, the balancer first, so that it sends no request to a stopping node."""
        async with self._starting:
            self._ending = True
        for task in self._tasks:
            task.cancel()
        self._terminal.stop.clear()
        running = [child for child in self._children if child.running]
        if running:
            await self._terminal.say("\nStopping ...")
        self._balancer.send(signal.SIGTERM)
        # Two signals make a node wait for nobody: no balancer is left, and no node stays.
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
                name = f"{child.title} (pid {child.pid})"
                await self._terminal.say(f"{name} did not stop by itself and is killed.")
                child.send(signal.SIGKILL)
        await all_ended

    async def _start_on_enter(self) -> None:
        while True:
            await self._terminal.enter.wait()
            self._terminal.enter.clear()
            for child in self._children:
                await self.start(child)

    async def _must_become_ready(self, child: Child) -> None:
        ready = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_TIMEOUT_S):
                ready = await self._becomes_ready(child)
        if not ready:
            raise DemoError(child.what_is_wrong())

    async def _becomes_ready(self, child: Child) -> bool:
        """Return True when `child` is ready, or False when it has ended before."""
        while child.running:
            url = f"{child.url}/readyz"
            response = await self._client.request("GET", url, timeout_s=POLL_TIMEOUT_S)
            if response and response.status == 200:
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def _report(self, child: Child, *, again: bool = False) -> None:
        """Print how `child` has ended and, with `again`, first when it is ready."""
        if again and await self._becomes_ready(child):
            await self._terminal.say(f"{child.title} is ready again, pid {child.pid}.")
        await child.ended()
        if self._terminal.can_type:
            how = "Press Enter to start it again."
        else:
            how = "Start the demo anew to have it again; the page's debug panel starts nodes, too."
        await self._terminal.say(f"{child.what_is_wrong()}\n{how}")

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
