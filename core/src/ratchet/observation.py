"""An observation: the whole cluster as one replica sees it, at one moment, for people to read.

Made from a few numbers a slot, and from the oldest pending views; no row is looked at, so it may be
made every second, however large the replica is. It is frozen, and shares nothing with the replica.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ratchet.column import Column
from ratchet.folding import Fold
from ratchet.generations import Generations
from ratchet.holdings import Holdings
from ratchet.members import Member, Members
from ratchet.retries import ObservedPending
from ratchet.slot import Slot
from ratchet.table import Table
from ratchet.tenure import State


class ObservedMember(NamedTuple):
    """A member, and how far it and this replica are apart, in changes. None: nobody knows."""

    member: Member
    # What it lacks, and what we lack.
    behind: int | None
    ahead: int | None


class ObservedSlot(NamedTuple):
    """A slot that is not in the base yet."""

    slot: Slot
    # `lifting`: folded, and on its way into the base.
    state: Literal["open", "closed", "lifting"]
    # For how many seconds it has been known to be closed.
    closed_s: float | None
    videos: int
    views: int
    # Up to which seq it is complete in our memory, and the highest seq that anybody ever spoke of.
    complete: int
    reported: int
    # Up to which seq each connected name, and ours, has it on disk. Empty while it is lifted.
    held: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that a replica knows of the cluster."""

    node: str
    process: str
    url: str
    state: State
    slot: Slot | None
    # This process first.
    members: tuple[ObservedMember, ...]
    # Sorted; the open ones and the closed ones, then those being lifted.
    slots: tuple[ObservedSlot, ...]
    # The closed slots by name, and what is in the way of folding them; how many seconds a slot is
    # closed before it is folded.
    folds: tuple[Fold, ...]
    grace_s: float
    # The maps of `table`.
    newest: Generations
    closed: Generations
    folded: Generations
    lifted_views: Mapping[str, int]
    base_videos: int
    base_views: int
    # The retried views that wait for what other nodes say.
    pending: ObservedPending
    # How much of the largest digest all names and slots fill. Above 1, some names are left out.
    digest_fill: float
    # Equal on two replicas exactly when their counts are.
    fingerprint: str
    # The id that stands for the cluster, None before there is one; see `identity`.
    cluster: str | None
    settled: bool


def observe(
    table: Table,
    members: Members,
    holdings: Holdings,
    folds: Iterable[Fold],
    grace_s: float,
    state: State,
    pending: ObservedPending,
    digest_fill: float,
    now: float,
) -> Observation:
    """The observation of the replica that these are the parts of."""
    everybody = members.everyone(now)
    me = everybody[0]
    return Observation(
        node=me.node,
        process=me.process or "",
        url=me.url or "",
        state=state,
        slot=table.own,
        members=tuple(_members(everybody, holdings)),
        slots=(*_slots(table, members, holdings, everybody, now), *_lifting(table)),
        folds=tuple(folds),
        grace_s=grace_s,
        newest=Generations(table.newest),
        closed=Generations(table.closed),
        folded=Generations(table.folded),
        lifted_views=dict(table.lifted_views),
        base_videos=len(table.base),
        base_views=table.base.total,
        pending=pending,
        digest_fill=digest_fill,
        fingerprint=table.fingerprint(),
        cluster=min(table.ids, default=None),
        settled=table.settled,
    )


def _members(everybody: list[Member], holdings: Holdings) -> Iterator[ObservedMember]:
    # A process that has just started has no slot yet. Until then the last slot of its name is open
    # and nobody's: a fold has to wait for it, but nobody is missing.
    alive = {member.node for member in everybody if member.process}
    for member in everybody:
        if member.process and member.state == "connected":
            behind, ahead = holdings.behind(member.process), holdings.ahead(member.process)
            yield ObservedMember(member, behind, ahead)
        elif member.process or member.node not in alive:
            yield ObservedMember(member, None, None)


def _slots(
    table: Table, members: Members, holdings: Holdings, everybody: list[Member], now: float
) -> list[ObservedSlot]:
    closed_s = members.closed_s(now)
    # A slot in which nothing was counted yet has no column here, and is open all the same.
    empty = {one.slot: Column(one.slot) for one in everybody if one.slot}
    return [
        ObservedSlot(
            slot=slot,
            state="closed" if table.is_closed(slot) else "open",
            closed_s=closed_s.get(slot),
            videos=len(column),
            views=column.total,
            complete=column.complete,
            reported=members.reported(slot),
            held=holdings.by_node(slot),
        )
        for slot, column in sorted((empty | table.columns).items())
    ]


def _lifting(table: Table) -> list[ObservedSlot]:
    return [
        ObservedSlot(
            slot=slot,
            state="lifting",
            closed_s=None,
            videos=len(column),
            views=column.total,
            complete=column.complete,
            reported=column.complete,
            held={},
        )
        for slot, column in sorted(table.lifting.items())
    ]
