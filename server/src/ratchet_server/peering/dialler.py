"""Dialling: opens a websocket to every address, and opens it again whenever it ends."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar
from urllib.parse import urlsplit

import websockets
from ratchet import codec
from ratchet.cluster import HEARTBEAT_S
from websockets.exceptions import InvalidStatus, WebSocketException

from ratchet_server.crash_points import reached
from ratchet_server.peering.addresses import Addresses, Dialled
from ratchet_server.peering.complaints import Complaints
from ratchet_server.peering.link import VERSIONS_HEADER, VERSIONS_HERE, Socket
from ratchet_server.peering.links import Links
from ratchet_server.peering.ports import Address
from ratchet_server.peering.shared import OFTEN_S
from ratchet_server.peering.turns import Turns

# How long to wait before dialling again, at first and at most. The time doubles at each failure. A
# random part spreads the attempts: otherwise all peers of a node that comes back would dial it at
# the same moment.
BACKOFF_S: Final = (0.1, 3.0)
OPEN_TIMEOUT_S: Final = 5.0
# How soon a newly seen address is dialled.
LOOK_S: Final = 0.25
# The status with which a peer responds while it is still reading its data.
NOT_YET: Final = 503

# How many connections one shared address may have or try at once.
MOST_ASKS: Final = 16

# Serves a connection to its end. It raises the errors of the socket.
Serve = Callable[[Socket, Dialled], Awaitable[None]]

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Dialler:
    """Dials `addresses`. `run` is its task."""

    def __init__(
        self, addresses: Addresses, links: Links, complaints: Complaints, *, secret: str | None
    ) -> None:
        self._addresses = addresses
        self._links = links
        self._complaints = complaints
        self._turns = Turns()
        self._headers = {VERSIONS_HEADER: VERSIONS_HERE}
        if secret:
            self._headers["Authorization"] = f"Bearer {secret}"

    async def run(self, serve: Serve) -> None:
        """Dial every address and dial again whenever a connection ends, until cancelled. Ask again
        at shared addresses."""
        tasks: dict[Dialled | str, asyncio.Task[None]] = {}
        try:
            while True:
                self._addresses.look(self._links)
                dialled, shared = self._addresses.all, self._addresses.shared.urls
                for each in dialled:
                    if each not in tasks:
                        tasks[each] = asyncio.create_task(self._keep_dialling(each, serve))
                for url in shared:
                    if url not in tasks:
                        tasks[url] = asyncio.create_task(self._keep_asking(url, serve))
                for over in tasks.keys() - {*dialled, *shared}:
                    task = tasks.pop(over)
                    task.cancel()
                    await asyncio.wait((task,))
                for task in tasks.values():
                    if task.done():
                        task.result()
                await asyncio.sleep(LOOK_S)
        finally:
            await _end(tasks.values())

    async def _keep_dialling(self, dialled: Dialled, serve: Serve) -> None:
        clock = asyncio.get_running_loop().time
        pause_s = BACKOFF_S[0]
        ways = 0
        while True:
            await self._until_needed(dialled)
            began = clock()
            status = await self._dial(dialled, serve)
            if dialled not in self._addresses.all:
                return
            # If a peer is still reading its data, it doesn't count as tried: it will accept a
            # connection soon, and a node that starts waits for that. A name may have more
            # addresses to try.
            ways += 1
            dialled.tried |= status != NOT_YET and ways >= dialled.ways
            if clock() - began > BACKOFF_S[1]:
                pause_s = BACKOFF_S[0]
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, BACKOFF_S[1])

    async def _keep_asking(self, url: str, serve: Serve) -> None:
        """Dial a shared address again and again. A connection to a new process stays."""
        shared = self._addresses.shared
        asks: dict[asyncio.Task[int | None], Dialled] = {}
        try:
            while True:
                await asyncio.sleep(shared.pause_s(url) * random.uniform(0.5, 1.0))
                if len(asks) < MOST_ASKS:
                    ask = Dialled(Address(url), again=True)
                    asks[asyncio.create_task(self._dial(ask, serve))] = ask
                    await asyncio.wait(asks, timeout=OFTEN_S)
                for ended in [task for task in asks if task.done()]:
                    ask = asks.pop(ended)
                    if ended.result() != NOT_YET and ask.answer is None:
                        shared.failed(url)
        finally:
            await _end(asks)

    async def _dial(self, dialled: Dialled, serve: Serve) -> int | None:
        """Dial once, and serve the connection to its end. Returns the HTTP status with which the
        peer refused, None if it did not refuse."""
        try:
            host = urlsplit(dialled.url).hostname
            if not dialled.named:
                turn = await self._turns.next(dialled.url)
                host, dialled.ways = turn.address, turn.of
                self._addresses.shared.leads_to(dialled.url, turn.hosts)
            async with websockets.connect(
                dialled.url.replace("http", "ws", 1) + "/peer",
                host=host,
                additional_headers=self._headers,
                # Use no proxy from the environment between nodes. Use no compression: with it
                # a peer could exhaust our memory. The pings notice a dead connection.
                proxy=None,
                compression=None,
                max_size=codec.MAX_TEXT,
                open_timeout=OPEN_TIMEOUT_S,
                ping_interval=HEARTBEAT_S,
                ping_timeout=3 * HEARTBEAT_S,
                close_timeout=HEARTBEAT_S,
            ) as socket:
                dialled.refused, dialled.unready = None, False
                reached("peer-dialled")
                await serve(socket, dialled)
        except InvalidStatus as error:
            status = error.response.status_code
            dialled.unready = status == NOT_YET
            dialled.refused = None if dialled.unready else status
            if dialled.refused:
                what = f"refused us: {status} (the same secret?)"
                loud = self._addresses.is_given(dialled)
                self._complaints.log(dialled.url, what, loud=loud)
            return status
        except (OSError, ValueError, WebSocketException, TimeoutError) as error:
            dialled.refused, dialled.unready = None, False
            _log.debug("peer %s: %s", dialled.url, error or type(error).__name__)
        return None

    async def _until_needed(self, dialled: Dialled) -> None:
        """Wait while another link to the process at this address is up.

        If the address names its process, any link to it will do. If not, only a link that we
        dialled: the next process to answer there need not be the last one.
        """
        while link := self._links.find(dialled.process, dialled_only=not dialled.named):
            await link.ended.wait()


async def _end(tasks: Collection[asyncio.Task[T]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
