"""Members: the state of each process of the cluster, and how far it and this node are apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ratchet.members import Member as Known
from ratchet.observation import Observation, ObservedMember

from ratchet_server.operator.facts import Facts, Way
from ratchet_server.operator.humanize import counted, duration, listed
from ratchet_server.operator.verdict import FAR_BEHIND, Verdict

# What a connection of the mesh is called.
WEBSOCKET: Final = "websocket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process of the cluster, or a name that is missing. Times are seconds since 1970."""

    node: str
    # None for a name that is missing, and for an import.
    process: str | None
    # `indirect`: it is alive, and connected to a peer, but not to this node. `importing`: it is no
    # process, but an import that has not ended.
    state: Literal["here", "connected", "indirect", "missing", "importing"]
    # When this process started, or when a missing member was last heard, or an import got rows.
    since: float | None
    url: str | None
    slot: str | None
    # How many of our rows it lacks, and how many of its rows we lack. None: not known.
    behind: int | None
    ahead: int | None
    how: Verdict
    # How this node hears it. Empty for this node itself, and for one that it does not hear.
    ways: tuple[dict[str, object], ...]
    # `behind` and `ahead` in words. Empty for this node.
    it_lacks: Verdict
    we_lack: Verdict


def members(seen: Observation, facts: Facts) -> tuple[Member, ...]:
    """All members, this process first."""
    return tuple(_member(one, facts) for one in seen.members)


def _member(seen: ObservedMember, facts: Facts) -> Member:
    known = seen.member
    here = known.state == "here"
    ways = facts.ways.get(known.process or "", ())
    silent_since = facts.now - known.silent_s
    since = {"here": facts.started, "missing": silent_since, "importing": silent_since}
    return Member(
        node=known.node,
        process=known.process,
        state=known.state,
        since=since.get(known.state),
        # A missing node sends no URL; use the last one that we dialled.
        url=known.url or facts.dialled.get(known.node),
        slot=None if known.slot is None else str(known.slot),
        behind=seen.behind,
        ahead=seen.ahead,
        how=_how(known, facts, ways),
        ways=tuple(way._asdict() for way in ways),
        it_lacks=Verdict("", "well") if here else _lag(seen.behind),
        we_lack=Verdict("", "well") if here else _lag(seen.ahead),
    )


def _how(known: Known, facts: Facts, ways: Sequence[Way]) -> Verdict:
    match known.state:
        case "here":
            return Verdict(f"this node, up for {duration(facts.now - facts.started)}", "well")
        case "connected":
            on = [way.way for way in ways if way.way != WEBSOCKET]
            if not on:
                return Verdict("connected", "well")
            also = " and by websocket" if len(on) < len(ways) else ""
            silent_s = min(way.silent_s for way in ways)
            return Verdict(f"heard {silent_s:.0f} s ago on {listed(on)}{also}", "well")
        case "indirect":
            return Verdict("alive, but not connected to this node", "look")
        case "missing":
            return Verdict(f"missing for {duration(known.silent_s)}", "act")
        case "importing":
            return Verdict("an import that has not ended", "look")


def _lag(rows: int | None) -> Verdict:
    if rows is None:
        return Verdict("not known", "look")
    text = counted(rows, "row") if rows else "nothing"
    return Verdict(text, "look" if rows >= FAR_BEHIND else "well")
