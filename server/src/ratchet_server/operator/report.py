"""The report: the cluster as one node sees it, in numbers and in words, for operators.

`ratchet status` and the page `/cluster` show it and judge nothing themselves. Its fields have the
names of those in `GET /api/cluster`; PROTOCOL.md explains them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ratchet.observation import Observation
from ratchet.tenure import State as Tenure

from ratchet_server.operator.advice import Advice, advice, is_alone
from ratchet_server.operator.facts import Facts, State
from ratchet_server.operator.folds import Base, Fold, Folded, base, folded, folds
from ratchet_server.operator.humanize import counted, listed
from ratchet_server.operator.members import Member, members
from ratchet_server.operator.nodes import Node, nodes
from ratchet_server.operator.pending import Pending, pending
from ratchet_server.operator.slots import SlotRow, slots
from ratchet_server.operator.verdict import FAR_BEHIND, Verdict

_STATES: Final[dict[State, str]] = {
    "starting": "has just started: it takes views, and refuses reads until it has what the other "
    "nodes have",
    "serving": "serves",
    "draining": "stops: it takes no more views, and hands over; it means to come back",
    "leaving": "leaves for good: it takes no more views, hands over, and closes its slot",
    "superseded": "is superseded: a newer process has its name; this one hands over and stops",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster's id. None: the node has not found its cluster yet."""

    id: str | None
    settled: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The cluster as one node sees it."""

    node: str
    process: str
    state: State
    slot: str | None
    # Seconds since 1970.
    time: float
    headline: Verdict
    # The state of this node itself, in words.
    here: str
    members: tuple[Member, ...]
    nodes: tuple[Node, ...]
    slots: tuple[SlotRow, ...]
    folds: tuple[Fold, ...]
    folded: tuple[Folded, ...]
    base: Base
    pending: Pending
    unreached: tuple[str, ...]
    cluster: Cluster
    # Nodes of other clusters that this node has met of late.
    strangers: tuple[dict[str, str], ...]
    # Where this node looks for others.
    registries: tuple[dict[str, Any], ...]
    # The most pressing first.
    to_do: tuple[Advice, ...]

    def json(self) -> dict[str, Any]:
        """The response to `GET /api/cluster`."""
        return asdict(self) | {"advice": [str(each) for each in self.to_do]}


def report(seen: Observation, facts: Facts) -> Report:
    """What `seen` means to an operator. This is cheap: it reads a few numbers for each slot, and no
    row."""
    who, waiting = members(seen, facts), folds(seen)
    to_do = advice(seen, who, waiting, facts)
    return Report(
        node=seen.node,
        process=seen.process,
        state=facts.state,
        slot=None if seen.slot is None else str(seen.slot),
        time=facts.now,
        headline=_headline(seen, who, to_do, facts),
        here=_here(seen, facts.state),
        members=who,
        nodes=nodes(seen),
        slots=slots(seen, facts.now),
        folds=waiting,
        folded=tuple(folded(seen)),
        base=base(seen),
        pending=pending(seen, facts.now),
        unreached=facts.unreached,
        cluster=_cluster(seen),
        strangers=tuple(one._asdict() for one in facts.strangers),
        registries=tuple(one._asdict() for one in facts.registries),
        to_do=to_do,
    )


def _cluster(seen: Observation) -> Cluster:
    if seen.cluster is None:
        text = "It has not found its cluster yet."
    elif seen.settled:
        text = f"Its cluster is {seen.cluster}."
    else:
        text = (
            f"Its cluster is {seen.cluster}. It joins any other that it finds at its --peer "
            "addresses, until each node has found the cluster at each of its own, and has counted."
        )
    return Cluster(seen.cluster, seen.settled, text)


def _headline(
    seen: Observation, who: Sequence[Member], to_do: Sequence[Advice], facts: Facts
) -> Verdict:
    names = counted(len({one.node for one in who if one.state != "importing"}), "node")
    missing = [one.node for one in who if one.state == "missing"]
    behind = [one.node for one in who if (one.behind or 0) >= FAR_BEHIND]
    fetching = f"; {listed(behind)} still catching up" if behind else ""
    if missing:
        are = "is" if len(missing) == 1 else "are"
        return Verdict(f"{names}; {listed(missing)} {are} missing{fetching}.", "act")
    if to_do:
        return Verdict(f"{names}; something needs a look{fetching}.", "look")
    if facts.awaited:
        peers = counted(facts.awaited, "peer")
        return Verdict(f"{names}; no answer yet from {peers}{fetching}.", "look")
    if is_alone(seen, facts):
        return Verdict(f"{names}; it has not met the others yet.", "look")
    return Verdict(f"{names}; all is well{fetching}.", "well")


def _here(seen: Observation, state: State) -> str:
    if seen.slot is None:
        where = "Its slot isn't open yet."
    elif seen.state is Tenure.LEFT:
        where = f"Its slot {seen.slot} is closed."
    elif seen.state is Tenure.OPEN and state == "serving":
        where = f"It counts in slot {seen.slot}."
    else:
        where = f"Its slot is {seen.slot}."
    return f"Node {seen.node} {_STATES[state]}. {where}"
