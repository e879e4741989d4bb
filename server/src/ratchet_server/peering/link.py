"""One connection to another process: frames out through a bounded queue, frames in one by one."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from ratchet import codec
from ratchet.frames import VERSIONS, Frame, Hello
from ratchet.names import Invalid
from websockets.exceptions import ConnectionClosed, WebSocketException

from ratchet_server.peering.ports import Door

# How many characters may wait for a slow peer. Frames that don't fit are dropped: from a later
# digest the peer sees which rows it lacks, and requests them.
MAX_QUEUED: Final = 8 * 2**20
# The side that dialled sends something every second. If the other side receives nothing for this
# long, or if either side can't send a frame for this long, the connection is dead, even if TCP
# doesn't notice. (The dialling side can't wait for frames: if both sides have dialled, it may
# receive none. So it sends pings.)
SILENCE_S: Final = 6.0
POLICY_VIOLATION: Final = 1008
# A node that dials says in this header which versions of the protocol it speaks. The header says
# again what is in `Hello`, because version 1 refuses a hello that has more than it knows.
VERSIONS_HEADER: Final = "Ratchet-Versions"
VERSIONS_HERE: Final = f"{VERSIONS.oldest}-{VERSIONS.newest}"
# How the reasons begin for which a connection ends each time.
_IMPLAUSIBLE: Final = "sent what can't be true"
_INVALID: Final = "sent an invalid frame"


class Closed(Exception):
    """The socket is closed: the usual end of a connection."""


class LinkError(Exception):
    """The connection can't go on. The message says why."""


class NotYet(LinkError):
    """The connection can't go on just now. That is nothing to report."""


class Misunderstanding(LinkError):
    """One side has sent what the other can't take. It will do so again."""


class Socket(Protocol):
    """A websocket, whichever library serves it. Each call may raise `Closed`, or the
    `ConnectionClosed` of the library that dials."""

    async def send(self, message: str) -> None:
        """Returns when the operating system has taken the message."""

    async def recv(self) -> str | bytes | None:
        """The next message; None when the connection is closed."""

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame."""


class Link:
    """A connection on which both sides have sent a hello."""

    way: Final = "websocket"

    def __init__(self, socket: Socket, peer: Hello, *, dialled: bool) -> None:
        """Use `accept` or `dial`."""
        self.peer = peer
        # The version of the protocol in which frames to the peer are written.
        self.version = peer.versions.common(VERSIONS) or VERSIONS.oldest
        self.dialled = dialled
        self.dropped = 0
        self._heard_at = time.monotonic()
        # Set once the link no longer sends or receives.
        self.ended = asyncio.Event()
        self._socket = socket
        self._queue: deque[str] = deque()
        self._queued = 0
        self._filled = asyncio.Event()

    @classmethod
    async def accept(cls, socket: Socket, door: Door, *, old: bool) -> "Link":
        """Shake hands with a process that has dialled us. `old`: it sent no `VERSIONS_HEADER`, so
        it speaks version 1 alone. Raises `LinkError`."""
        me = door.introduce(None, given=False)
        await socket.send(codec.encode(me, 1) if old else codec.encode(me))
        return cls(socket, _hello(await _receive(socket, SILENCE_S)), dialled=False)

    @classmethod
    async def dial(cls, socket: Socket, door: Door, *, given: Callable[[Hello], bool]) -> "Link":
        """Shake hands with a process that we have dialled. Its hello comes first, so that we know
        in which form it can read ours. `given`: see `Door`; it depends on who the peer is. Raises
        `LinkError`."""
        text = await _receive(socket, SILENCE_S)
        try:
            peer = _hello(text)
        except LinkError:
            # Let it see, too, which versions we speak.
            await socket.send(codec.encode(door.introduce(None, given=False)))
            raise
        me = door.introduce(peer, given=given(peer))
        await socket.send(codec.encode(me, peer.versions.newest))
        return cls(socket, peer, dialled=True)

    @property
    def silent_s(self) -> float:
        """Seconds since the peer has sent a frame on it."""
        return time.monotonic() - self._heard_at

    def send(self, text: str) -> None:
        """Queue an encoded frame; drop it if the peer is too slow."""
        if self._queued + len(text) > MAX_QUEUED:
            self.dropped += 1
            return
        self._queue.append(text)
        self._queued += len(text)
        self._filled.set()

    async def run(self, receive: Callable[[Frame], Awaitable[None]]) -> None:
        """Send queued frames, and await `receive` for each frame that comes, until the connection
        ends.

        Raises `LinkError` if it ends because one side breaks the protocol.
        """
        # Don't use a TaskGroup: before Python 3.13 it forgets a cancellation that comes together
        # with a child's error. Then a stopping node would go on dialling for ever.
        ways = [asyncio.create_task(self._write()), asyncio.create_task(self._read(receive))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            ends = await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            if isinstance(end, ConnectionClosed) and end.rcvd and end.rcvd.code == POLICY_VIOLATION:
                # A peer also closes with this code when we were silent for too long.
                again = end.rcvd.reason.startswith((_IMPLAUSIBLE, _INVALID))
                kind = Misunderstanding if again else LinkError
                raise kind(f"does not understand us: {end.rcvd.reason}")
            # A closed connection is the usual end; the side that dialled it dials again.
            if isinstance(end, Exception) and not isinstance(end, WebSocketException | Closed):
                raise end

    async def _write(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._queue:
                text = self._queue.popleft()
                self._queued -= len(text)
                try:
                    async with asyncio.timeout(SILENCE_S):
                        await self._socket.send(text)
                except TimeoutError:
                    raise LinkError(f"took no data for {SILENCE_S:.0f} s") from None

    async def _read(self, receive: Callable[[Frame], Awaitable[None]]) -> None:
        patience_s = None if self.dialled else SILENCE_S
        while True:
            frame = _decode(await _receive(self._socket, patience_s))
            self._heard_at = time.monotonic()
            try:
                await receive(frame)
            except Invalid as error:
                # A close frame has room for 123 bytes.
                why = f"{_IMPLAUSIBLE}: {error}. See OPERATING.md"
                raise Misunderstanding(why) from None


async def _receive(socket: Socket, patience_s: float | None) -> str:
    try:
        async with asyncio.timeout(patience_s):
            message = await socket.recv()
    except TimeoutError:
        raise LinkError(f"sent nothing for {patience_s:.0f} s") from None
    if message is None:
        raise LinkError("closed the connection")
    if isinstance(message, bytes):
        raise LinkError("sent bytes; frames are text")
    return message


def _hello(text: str) -> Hello:
    hello = _decode(text)
    if not isinstance(hello, Hello):
        raise LinkError("a connection begins with hello")
    return hello


def _decode(text: str) -> Frame:
    try:
        return codec.decode(text)
    except Invalid as error:
        raise Misunderstanding(f"{_INVALID}: {error}") from None
