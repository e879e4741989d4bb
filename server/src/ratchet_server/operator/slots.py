"""Slots: the state of each, which nodes have all its rows on disk, and which lack how many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ratchet.observation import Observation, ObservedSlot

from ratchet_server.operator.humanize import duration, listed, number
from ratchet_server.operator.verdict import FAR_BEHIND, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """A slot that is not in the base yet. Times are seconds since 1970."""

    slot: str
    state: Literal["open", "closed", "lifting"]
    # When it was closed, as far as this node knows.
    since: float | None
    videos: int
    views: int
    # The number up to which this node has all rows.
    upto: int
    # The highest number of a row that any node has ever reported.
    said: int
    # The number up to which each node has all rows on disk: this node, and the connected ones.
    held: Mapping[str, int]
    how: Verdict
    holders: Verdict


def slots(seen: Observation, now: float) -> tuple[SlotRow, ...]:
    """All slots, in the order of the observation."""
    return tuple(_row(each, seen, now) for each in seen.slots)


def _row(each: ObservedSlot, seen: Observation, now: float) -> SlotRow:
    return SlotRow(
        slot=str(each.slot),
        state=each.state,
        since=None if each.closed_s is None else now - each.closed_s,
        videos=each.videos,
        views=each.views,
        upto=each.complete,
        said=each.reported,
        held=dict(each.held),
        how=_how(each),
        holders=_holders(each, seen),
    )


def _how(each: ObservedSlot) -> Verdict:
    since = "" if each.closed_s is None else f" for {duration(each.closed_s)}"
    return Verdict(f"{each.state}{since}", "well" if each.state == "open" else "look")


def _holders(each: ObservedSlot, seen: Observation) -> Verdict:
    """Which nodes have all rows on disk. It covers only this node and the connected ones, because
    only they report to this node."""
    if each.state == "lifting":
        return Verdict("on its way into the base", "look")
    full = [node for node, seq in each.held.items() if seq >= each.reported]
    lags = {node: each.reported - seq for node, seq in each.held.items() if seq < each.reported}
    if not lags:
        return Verdict(f"all {len(full)} nodes" if len(full) > 2 else listed(full), "well")
    text = f"{listed(full)}; {listed([f'{node} lacks {number(n)}' for node, n in lags.items()], 3)}"
    # While the slot's owner is connected, the rows are on their way.
    coming = any(
        one.member.slot == each.slot and one.member.state in {"here", "connected"}
        for one in seen.members
    )
    if not full and not coming:
        return Verdict(text, "act")
    return Verdict(text, "look" if max(lags.values()) >= FAR_BEHIND else "well")
