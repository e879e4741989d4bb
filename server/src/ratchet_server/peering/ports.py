"""The ports of peering: what a transport owes the node, and what a discovery owes a transport.

A *transport* carries frames to other processes and back. A *discovery* knows addresses at which
other processes may be reached; a transport that dials uses it. Each port has one suite of tests
that every adapter passes: `test_transport_contract.py` and `test_discovery_contract.py`.

Read these traps before you write an adapter:

- A process is not a node. A name that restarts is a new process, and two processes may have one
  name for a while. All keys here are process ids.
- A frame needs no other frame to arrive. So a transport may lose, double, delay and reorder frames,
  and must never hold back the node to prevent that: drop what a slow peer has no room for.
- Frames wait in memory alone. Do not buffer them for a peer that is away: digests find what was
  lost, and a flood of old frames helps nobody.
- Silence is an end. A peer that is frozen, or behind a broken wire, closes no connection; `left`
  must come all the same, within some seconds, or the node waits for its answers for ever.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from ratchet.frames import Frame, Hello


class Inbox(Protocol):
    """Where a transport delivers: the task that owns the replica.

    For each process the calls alternate: `joined`, any number of `receive`, `left`, and again.
    """

    def joined(self, hello: Hello) -> None:
        """A process can be reached that could not. It is sent to from within this call."""

    async def receive(self, frame: Frame, process: str) -> None:
        """Take in a frame of a joined process. Returns when it is merged, in memory alone.

        Await it before you take the next frame from the same connection: so a node pushes back on
        a peer that is faster than itself. Cancelled, the frame may be merged or not.
        """

    def left(self, process: str) -> None:
        """The process can't be reached any more. What it has sent and nobody received is lost."""


class Route(Protocol):
    """The way on which a connected process is sent to."""

    @property
    def peer(self) -> Hello:
        """Who is at its other end."""

    @property
    def dropped(self) -> int:
        """How many frames the transport had no room for."""


class Transport(Protocol):
    """Carries frames. Several run side by side; `Routes` joins them."""

    async def run(self, inbox: Inbox) -> None:
        """Find peers, deliver their frames to `inbox`, and reconnect for ever, until cancelled.

        It returns by cancellation alone. Then no task, thread or socket of it is left, and `left`
        has been called for every process that had joined. What others do wrong it logs and
        survives; an error that it raises is a bug, and stops the node.
        """

    def send(self, frame: Frame, to: Collection[str]) -> None:
        """Queue `frame` for these processes, and return at once. Nothing is promised.

        A process that has left is no error. A transport that reaches all with one message may
        use it when `to` has many: a frame does no harm where it was not meant to go.
        """

    def routes(self) -> Mapping[str, Route]:
        """The processes that have joined and not left."""

    def settled(self) -> bool:
        """Whether everybody who could be reached has been tried: a node that starts serves reads
        then. It must become true in some seconds where nobody answers, too."""

    def unmet(self, known: Collection[str]) -> int:
        """At how many places there may be a node of which nobody has ever heard. While there is
        one, nothing is folded. `known`: the names of which this node has heard."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process may be reached, as a discovery knows it.

    `url` is http(s)://host:port without a path or a last slash. `node` and `process` say who is
    there, both or neither. A transport checks what they say, as an address may be stale or wrong;
    where they say nothing, it takes any node that answers.
    """

    url: str
    node: str | None = None
    process: str | None = None


class Discovery(Protocol):
    """Knows where other processes are."""

    async def run(self, me: Hello) -> None:
        """Look again and again, and let others find `me` for as long as this runs.

        Cancelled, it withdraws what it announced, in 2 s at the most. (A crash withdraws nothing:
        an announcement that nobody renews has to expire.) It may return at once if there is
        nothing to do. A look that fails is logged and repeated; it raises nothing.
        """

    def seen(self) -> Collection[Address]:
        """The last complete look: every address that is known now, not what has changed.

        A look that failed is no look: keep the last good one. An address that is missing from a
        look is not dropped for that (a registry that wakes up may answer with an empty set).
        """

    def expected(self) -> Collection[str]:
        """The urls among them at which a node of this cluster is, for certain: nothing is folded
        until somebody was met at each, and what is wrong there is logged loudly."""
