"""Facts: what a report needs to know about its own node beyond the replica's observation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# The words of `counting.life`, which this wing does not import.
State = Literal["starting", "serving", "draining", "leaving", "superseded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Times are seconds since 1970."""

    state: State
    now: float
    # When this process started.
    started: float
    # The address where this node has dialled each name, even if the name is missing by now.
    dialled: Mapping[str, str]
    # The addresses where no node has ever answered.
    unreached: tuple[str, ...]
    # How many addresses have not answered yet, in the first seconds of this node.
    awaited: int = 0
    # The addresses that refused this node last, and the status of each refusal.
    refusing: Mapping[str, int] = field(default_factory=dict)
    # Whether it has refused connections in the last minute, for want of room.
    full: bool = False
    # An address at which the operator can reach this node. The suggested commands use it.
    via: str
