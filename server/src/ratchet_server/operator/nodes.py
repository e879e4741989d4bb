"""Nodes: the state of each name in the cluster, over all its processes and slots.

The page plots one lane for each name.
"""

from dataclasses import dataclass
from typing import Final, Literal

from ratchet.observation import Observation, ObservedMember

from ratchet_server.operator.humanize import counted
from ratchet_server.operator.verdict import FAR_BEHIND, Verdict

State = Literal["here", "connected", "indirect", "missing", "importing", "gone"]

# If two processes have one name, the name has the state that comes first here.
_STATES: Final[tuple[State, ...]] = (
    "here",
    "connected",
    "indirect",
    "missing",
    "importing",
    "gone",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A name, with all processes that run or ran under it."""

    node: str
    # `gone`: only its slots are left.
    state: State
    # How many rows it lacks; None if that is not known.
    lacks: int | None
    # How many of its slots are not folded.
    slots: int
    how: Verdict


def nodes(seen: Observation) -> tuple[Node, ...]:
    """All nodes, sorted by name."""
    slots = [each.slot.node for each in seen.slots]
    names = {one.member.node for one in seen.members} | set(slots)
    return tuple(_node(node, seen, slots.count(node)) for node in sorted(names))


def _node(node: str, seen: Observation, slots: int) -> Node:
    processes = [one for one in seen.members if one.member.node == node]
    states: list[State] = [*(one.member.state for one in processes), "gone"]
    state = min(states, key=_STATES.index)
    # If two processes have one name, the larger lag counts.
    lags = [lag for one in processes if (lag := _lag(one, seen)) is not None]
    lacks = max(lags, default=None)
    return Node(node=node, state=state, lacks=lacks, slots=slots, how=_how(state, lacks))


def _lag(one: ObservedMember, seen: Observation) -> int | None:
    if one.member.state == "here":
        # What we lack ourselves: the most rows that another member has and we lack.
        return max((other.ahead or 0 for other in seen.members), default=0)
    return one.behind


def _how(state: State, lacks: int | None) -> Verdict:
    if state == "gone":
        return Verdict("no longer here", "well")
    if state == "missing":
        return Verdict("missing", "act")
    if state == "importing":
        return Verdict("an import that has not ended", "look")
    if lacks is None:
        return Verdict("not known", "look")
    if not lacks:
        return Verdict("lacks nothing", "well")
    return Verdict(f"lacks {counted(lacks, 'row')}", "look" if lacks >= FAR_BEHIND else "well")
