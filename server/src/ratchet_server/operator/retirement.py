"""What it means to retire a node: which of its rows other nodes have, and what is at stake."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ratchet.observation import Observation, ObservedSlot

from ratchet_server.operator.humanize import counted, duration
from ratchet_server.operator.slots import SlotRow, slots
from ratchet_server.operator.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """The response to `POST /api/cluster/retire`."""

    node: str
    # Retiring closes all slots of the node up to this generation.
    closed: int
    headline: Verdict
    # The report's rows for the node's slots that are not folded and have counted views.
    slots: tuple[SlotRow, ...]
    # What is lost if the node stays away.
    advice: str
    # What follows.
    then: str

    def json(self) -> dict[str, Any]:
        """The body of the response."""
        return asdict(self)


def stakes(seen: Observation, node: str, now: float, *, check: bool) -> Stakes:
    """What is at stake when `node` is retired. `check`: nothing is done, this only shows it."""
    counted_in = {str(each.slot) for each in _counted(seen, node)}
    if check:
        headline = Verdict(f"What it would mean to retire {node}. (Not done.)", "look")
        then = (
            f"If {node} is only away for a while, leave it: nothing is lost by waiting. No view is "
            "ever counted twice, whether it comes back or not."
        )
    else:
        headline = Verdict(f"{node} is retired.", "well")
        then = (
            "The nodes fold its slots into the base by themselves, once all of them have reported "
            "the same rows."
        )
    return Stakes(
        node=node,
        closed=seen.newest[node],
        headline=headline,
        slots=tuple(row for row in slots(seen, now) if row.slot in counted_in),
        advice=_advice(seen, node),
        then=then,
    )


def _advice(seen: Observation, node: str) -> str:
    lacking = sum(each.reported - max(each.held.values()) for each in _counted(seen, node))
    grace = f"the grace of {duration(seen.grace_s)}"
    if lacking > 0:
        return (
            f"{node} was known to have {counted(lacking, 'row')} that no connected node has. They "
            f"are lost, unless {node} comes back within {grace}."
        )
    return (
        f"All rows that {node} was ever known to have are here. What it counted while it was cut "
        f"off is lost, unless it comes back within {grace}."
    )


def _counted(seen: Observation, node: str) -> Iterator[ObservedSlot]:
    for each in seen.slots:
        if each.slot.node == node and each.state != "lifting" and each.reported:
            yield each
