"""Facts: what a report needs to know about its own node beyond the replica's observation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

# The words of `counting.life`, which this wing does not import.
State = Literal["starting", "serving", "draining", "leaving", "superseded"]


class Stranger(NamedTuple):
    """A node of another cluster that this node has met of late."""

    node: str
    url: str
    cluster: str


class Way(NamedTuple):
    """How a process is heard: by "websocket" or on the bus with this URL; and for how many seconds
    it has sent nothing there."""

    way: str
    silent_s: float


class Deaf(NamedTuple):
    """A bus on which this node hears nobody: its URL, why, and for how many seconds."""

    bus: str
    why: str
    since_s: float


class Registry(NamedTuple):
    """A registry where this node looks for others."""

    url: str
    # How many addresses of other nodes the last good look saw.
    addresses: int
    # Why it does not do what this node asks, and since when; None if it does.
    why: str | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Times are seconds since 1970."""

    state: State
    now: float
    # When this process started.
    started: float
    # The address at which this node dials each name, even if the name is missing by now.
    dialled: Mapping[str, str]
    # The addresses where no node has ever answered.
    unreached: tuple[str, ...]
    # The addresses where a peer has been starting for longer than a start usually takes.
    unready: tuple[str, ...] = ()
    # How many addresses have not answered yet. 0 after the first seconds of this node.
    awaited: int = 0
    # The addresses whose last response was a refusal, and its status.
    refusing: Mapping[str, int] = field(default_factory=dict)
    strangers: tuple[Stranger, ...] = ()
    # The peers that send what this node can't take, or that can't take what it sends; and why.
    misunderstood: Mapping[str, str] = field(default_factory=dict)
    # How each connected process is heard.
    ways: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)
    # The buses on which nothing has been heard for a while.
    deaf: tuple[Deaf, ...] = ()
    # Whether this node has refused connections in the last minute, because it had no room.
    full: bool = False
    registries: tuple[Registry, ...] = ()
    # Whether the operator gave this node addresses (--peer).
    given: bool = False
    # An address at which the operator can reach this node. The suggested commands use it.
    via: str
