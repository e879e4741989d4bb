"""Pending views: retries that count once other nodes have said that they have not counted them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ratchet.observation import Observation

from ratchet_server.operator.humanize import counted, duration, listed
from ratchet_server.operator.verdict import Verdict

# Nodes that can be reached answer within milliseconds, and a node that can't be is soon missing.
LONG_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The pending views of this node."""

    views: int
    # When the oldest came, in seconds since 1970; None if there is none.
    since: float | None
    # The nodes that have not said whether they have counted them, and for how many keys each, among
    # the oldest 1,000.
    awaited: Mapping[str, int]
    how: Verdict


def pending(seen: Observation, now: float) -> Pending:
    """What is pending, in numbers and in words."""
    views, since_ms, awaited, _ = seen.pending
    return Pending(
        views=views,
        since=None if since_ms is None else since_ms / 1000,
        awaited=dict(sorted(awaited.items())),
        how=_how(seen, now),
    )


def is_long(seen: Observation, now: float) -> bool:
    """Whether a view has been pending for longer than nodes need to find each other."""
    since_ms = seen.pending.since_ms
    return since_ms is not None and now - since_ms / 1000 >= LONG_S


def waits_for(seen: Observation) -> Sequence[str]:
    """The nodes for which the views wait. One that is connected may wait itself for one that is
    not, so it is named only if all are connected."""
    connected = {one.member.node for one in seen.members if one.member.state == "connected"}
    names = sorted(seen.pending.awaited)
    return [name for name in names if name not in connected] or names


def _how(seen: Observation, now: float) -> Verdict:
    views, since_ms, awaited, unmet = seen.pending
    if since_ms is None:
        return Verdict("No view is pending.", "well")
    have, them = ("has", "it") if views == 1 else ("have", "them")
    text = f"{counted(views, 'view')} {have} been pending for {duration(now - since_ms / 1000)}"
    if awaited:
        names = waits_for(seen)
        has, it_has = ("has", "it has") if len(names) == 1 else ("have", "they have")
        text += f": {listed(names)} {has} not said whether {it_has} counted {them}."
    elif unmet:
        text += (
            f": at {counted(unmet, 'place')} that {seen.node} was given, by --peer, --bus or "
            "--registry, it has not met all nodes yet."
        )
    else:
        text += ": the other nodes are being asked."
    return Verdict(text, "look" if is_long(seen, now) else "well")
