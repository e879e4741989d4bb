"""A transport in memory: a bus between nodes in one process, which a test can cut.

It is the smallest example of `ratchet_server.peering.ports.Transport`. As on any bus, no process is
connected to another. Every node sends its hello to all once a heartbeat. A process joins when its
hello arrives. It leaves when it is silent for some heartbeats, or when it says that it goes.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ratchet import codec
from ratchet.frames import Frame, Hello
from ratchet.names import Invalid
from ratchet_server.peering.ports import Inbox, Route

# Shorter than on a real bus, because tests wait for silence.
HEARTBEAT_S: Final = 0.05
# After how many of our own heartbeats without a message a process counts as silent. This is not a
# time: on a busy machine, the first node to run again would take all others for silent.
SILENCE: Final = 20
# How often our own hello must come back: then the bus works, and others have had time to send
# theirs.
ECHOES: Final = 3
MAX_QUEUED: Final = 10_000

_log = logging.getLogger(__name__)


class Message(NamedTuple):
    """`to`: one process, or None for all. `text`: a frame, or None when the sender goes."""

    sender: str
    to: str | None
    text: str | None


class Bus:
    """Delivers messages to all processes, their sender included."""

    def __init__(self) -> None:
        self._takers: dict[str, Callable[[Message], None]] = {}
        self._mute: set[str] = set()

    @property
    def members(self) -> set[str]:
        """The processes that are attached."""
        return {*self._takers}

    def attach(self, process: str, take: Callable[[Message], None]) -> None:
        """From now on, call `take` with every message that this process may read."""
        self._takers[process] = take

    def detach(self, process: str) -> None:
        """Deliver no more messages to this process."""
        del self._takers[process]

    def publish(self, message: Message) -> None:
        """Deliver a message at once."""
        for process, take in [*self._takers.items()]:
            if message.to not in {None, process}:
                continue
            if process == message.sender or not {process, message.sender} & self._mute:
                take(message)

    def mute(self, process: str) -> None:
        """Let no message pass between this process and the others."""
        self._mute.add(process)

    def heal(self) -> None:
        """Let all messages pass again."""
        self._mute.clear()


@dataclass
class _Peer:
    """A process that has joined."""

    peer: Hello
    # For how many of our heartbeats it has sent nothing.
    silent: int = 0
    dropped: int = 0


class BusTransport:
    """One node on a bus."""

    def __init__(self, me: Hello, bus: Bus) -> None:
        self._me = me
        self._bus = bus
        self._peers: dict[str, _Peer] = {}
        self._echoes = 0
        self._arrived: asyncio.Queue[Message] = asyncio.Queue(MAX_QUEUED)

    async def run(self, inbox: Inbox) -> None:
        """See the port, here and below."""
        self._bus.attach(self._me.process, self._take)
        tasks = [asyncio.create_task(self._beat(inbox)), asyncio.create_task(self._read(inbox))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._bus.publish(Message(self._me.process, None, None))
            self._bus.detach(self._me.process)
            for process in [*self._peers]:
                self._leave(process, inbox)

    def send(self, frame: Frame, to: Collection[str]) -> None:
        text = codec.encode(frame)
        if self._peers.keys() <= {*to}:
            self._bus.publish(Message(self._me.process, None, text))
        else:
            for process in to:
                self._bus.publish(Message(self._me.process, process, text))

    def routes(self) -> Mapping[str, Route]:
        return self._peers

    def settled(self) -> bool:
        return self._echoes >= ECHOES

    def unmet(self, known: Collection[str]) -> int:  # noqa: ARG002
        """While this node has received nothing from the bus, there may be any node on it."""
        return 0 if self._echoes else 1

    async def _beat(self, inbox: Inbox) -> None:
        while True:
            hello = codec.encode(self._me)
            self._bus.publish(Message(self._me.process, None, hello))
            await asyncio.sleep(HEARTBEAT_S)
            for process, peer in [*self._peers.items()]:
                peer.silent += 1
                if peer.silent > SILENCE:
                    self._leave(process, inbox)

    def _take(self, message: Message) -> None:
        peer = self._peers.get(message.sender)
        if peer:
            # Now, not when the message is read: a slow inbox must not make others seem silent.
            peer.silent = 0
        if not self._arrived.full():
            self._arrived.put_nowait(message)
        elif peer:
            peer.dropped += 1

    async def _read(self, inbox: Inbox) -> None:
        while True:
            sender, _, text = await self._arrived.get()
            frame = None if text is None else codec.decode(text)
            if sender == self._me.process:
                self._echoes += isinstance(frame, Hello)
            elif isinstance(frame, Hello):
                if sender not in self._peers:
                    self._peers[sender] = _Peer(frame)
                    inbox.joined(frame)
            elif sender in self._peers:
                if frame is None:
                    self._leave(sender, inbox)
                else:
                    await _deliver(frame, sender, inbox)

    def _leave(self, process: str, inbox: Inbox) -> None:
        del self._peers[process]
        inbox.left(process)


async def _deliver(frame: Frame, sender: str, inbox: Inbox) -> None:
    try:
        await inbox.receive(frame, sender)
    except Invalid as error:
        _log.warning("process %s sent what can't be true: %s", sender, error)
