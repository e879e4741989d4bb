"""The ports of peering: what a transport must do for the node, and a discovery for a transport.

A *transport* carries frames to other processes and back. A *discovery* knows addresses at which
other processes may be reached; a transport that dials uses it. Each port has one suite of tests
that every adapter passes: `test_transport_contract.py` and `test_discovery_contract.py`.

Read these traps before you write an adapter:

- A process is not a node. A node that restarts is a new process, and two processes may have one
  node's name for a while. All keys here are process ids.
- No frame depends on another frame's arrival. So a transport may lose, double, delay and reorder
  frames. It must never slow the node down to prevent that. If a slow peer's queue is full, drop
  the frame.
- Frames wait only in memory. Do not buffer them for a peer that is away: digests find what was
  lost, and a flood of old frames helps nobody.
- A digest or a pulse must not arrive when it is older than ten seconds. The core drops one that a
  newer one of its process has overtaken. But it can't tell that the newest was on its way for a
  minute, and would take it for what is true now: then a fold may happen too early. A connection of
  TCP holds frames up for seconds at most, until `left`. A queue that others share (a bus) may hold
  them up for longer, and then deliver all at once. `bus.freshness` shows how to know the age of a
  message. Other frames may be of any age: they say what is true for ever.
- Silence is an end. If a peer is frozen, or its wire is broken, its connection doesn't close. Call
  `left` all the same, within some seconds. Otherwise the node waits for the peer's answers for
  ever.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from ratchet.frames import Frame, Hello
from ratchet.identity import Stranger


class Inbox(Protocol):
    """Where a transport delivers frames: the task that owns the replica.

    For each process the calls come in this order: `joined`, any number of `receive`, `left`. Then
    the process may join again.
    """

    def joined(self, hello: Hello) -> None:
        """A process can now be reached. The inbox sends it a first frame before this call returns,
        so the transport must be ready to send."""

    async def receive(self, frame: Frame, process: str) -> None:
        """Merge a frame of a joined process. Returns when it is merged, in memory only.

        Await it before you read the next message from the same connection. So a fast peer waits for
        this node. Frames that came in one message may be given together, in their order. If this
        call is cancelled, the frame may be merged or not.

        Raises `ratchet.names.Invalid` if the frame claims what can't be true. The frame is not
        merged then. Log the reason, and go on as after text that is no frame.
        """

    def left(self, process: str) -> None:
        """The process can't be reached any more. Frames that are still on their way are lost."""


class Door(Protocol):
    """Knows which processes belong to the cluster of this node: see `ratchet.identity`.

    On each connection, send the hello that `introduce` returns, and receive the other side's. If
    `admit` has a reason against the peer, end the connection, and don't call `Inbox.joined`. If
    `stranger` has one after a digest, end it, too.
    """

    def introduce(self, peer: Hello | None, *, given: bool) -> Hello:
        """The hello of this node. `peer`: the hello of the other side, if that came first. `given`:
        whether this node has dialled an address that an operator gave it."""

    def admit(self, peer: Hello, *, given: bool) -> Stranger | None:
        """Why this node does not talk to the peer; None if it does. Call `introduce` before."""

    def stranger(self, process: str) -> Stranger | None:
        """Why this node no longer talks to a process that has joined; None if it does."""


class Route(Protocol):
    """How a connected process is reached."""

    @property
    def peer(self) -> Hello:
        """The hello of the process."""

    @property
    def dropped(self) -> int:
        """How many frames to it the transport has dropped."""

    @property
    def way(self) -> str:
        """What people call the transport: "websocket", or the URL of a bus."""


class Transport(Protocol):
    """Carries frames. Several run side by side; `Routes` joins them."""

    async def run(self, inbox: Inbox) -> None:
        """Find peers, deliver their frames to `inbox`, and reconnect for ever, until cancelled.

        It ends only when it is cancelled. Before it ends, it stops its tasks and threads, closes
        its sockets, and calls `left` for every process that has joined. It logs what others do
        wrong, and goes on. An error that it raises is a bug, and stops the node.
        """

    def send(self, frame: Frame, to: Collection[str]) -> None:
        """Queue `frame` for these processes, and return at once. The frame may get lost.

        If a process has left, that is no error. If `to` has many processes, a transport that can
        broadcast may do so: a frame does no harm at a process that is not in `to`.
        """

    def routes(self) -> Mapping[str, Route]:
        """A route to each process that has joined and not left."""

    def silent_s(self, process: str) -> float:
        """For how many seconds a process that has joined has sent nothing on this transport."""

    def settled(self) -> bool:
        """Whether the transport has tried to reach each known process. A node that starts waits for
        this before it serves reads, but not for longer than RATCHET_JOIN_TIMEOUT. It must become
        true within seconds, even if no process answers."""

    def unmet(self, known: Collection[str]) -> int:
        """At how many places there may be a node that is unknown here. While there is any, this
        node folds nothing. `known`: all names that this node knows."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process may be reached, as far as a discovery knows.

    `url` is http(s)://host:port without a path or a last slash. `node` and `process` name the
    process at the address; both are given, or neither. A transport checks them, because an address
    may be stale or wrong. Without them, the transport accepts any node that answers.

    `passing`: dial it only while a discovery sees it, and hang up then.
    """

    url: str
    node: str | None = None
    process: str | None = None
    passing: bool = False


class Discovery(Protocol):
    """Knows where other processes are."""

    async def run(self, me: Hello) -> None:
        """Look again and again, and let others find `me` while this runs.

        When it is cancelled, it withdraws its announcement, within 2 s. (A crash withdraws nothing,
        so an announcement has to expire unless it is renewed.) It may return at once if there is
        nothing to do. If a look fails, it logs that, and looks again. It raises nothing.
        """

    def seen(self) -> Collection[Address]:
        """The result of the last look: all addresses that are known now, not what has changed.

        If a look fails, keep the last good result. The caller does not drop an address only because
        it is missing here: a registry that has just started may answer with an empty set.
        """

    def expected(self) -> Collection[str]:
        """The urls in `seen` that surely belong to other nodes of this cluster. This node folds
        nothing until it has met a node at each of them. It logs faults there as warnings."""

    def has_looked(self) -> bool:
        """Whether a look has succeeded since `run` began. Until then there may be any nodes. So
        this node folds nothing, and waits for RATCHET_JOIN_TIMEOUT before it serves reads."""

    def is_late(self) -> bool:
        """Whether a node may be there for minutes before a look sees it, as in the DNS. Then two
        nodes that start together may both see nobody. So this node does not settle for a while:
        see `ratchet.identity`."""
