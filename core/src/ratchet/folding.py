"""Folding: when the closed slots of a name may be forgotten, and what is in the way until then.

Lifting a slot into the base is harmless at any time, as `counter` shows. What a fold could do wrong
is to forget views that only some replica has, because nobody takes rows of folded slots any more.
So a fold waits until every member of the cluster has exactly the rows that we have. A member tells
us in a digest, and only a digest that also names the closing counts. A member that can't be reached
delays the fold, and never makes it wrong.

The members are all that may have rows which no other node has:

- the connected processes, and the processes that our peers are connected to;
- every name whose newest slot is not closed, even if no process of it is alive;
- the nodes at addresses that we were given, if we may never have met them;
- the processes that were dismissed less than a grace ago, perhaps by mistake (`Dismissed`).

The grace is for processes that are cut off from all others when their slot is closed. Within the
grace they may come back with rows of their own slot, so this slot waits. They may also come back
with rows of any other slot, so the other slots wait, too. A slot need not wait for a process whose
last digest agreed when the slot had been closed for the grace already: rows of it that the process
has received since can only come from a process that was away for longer than the grace.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Literal, NamedTuple

from ratchet.frames import NOTHING, Digest, Extent
from ratchet.generations import Generations
from ratchet.members import Dismissed
from ratchet.peers import Peers
from ratchet.slot import Slot


class Obstacle(NamedTuple):
    """One thing that is in the way of a fold.

    - `grace`: `node` may come back, as its slot has not been closed for long enough. It is the name
      that is folded, or another one. `amount` seconds are left.
    - `missing`: the slot of `node` is open, and there was no sign of life for `amount` seconds.
    - `unmet`: at `amount` addresses that we were given, there may be nodes that we have never met.
    - `indirect`: `node` is alive, but not connected to us.
    - `unaware`: no digest of `node` has named the closing yet, or we can't tell what it says now.
    - `behind`: `node` and we are `amount` changes apart.
    - `unsettled`: `node` is writing or fetching rows of the slots.
    """

    kind: Literal["grace", "missing", "unmet", "indirect", "unaware", "behind", "unsettled"]
    node: str
    amount: float = 0


class Fold(NamedTuple):
    """The closed slots of one name, up to a generation. They fold when no obstacle is left."""

    node: str
    generation: int
    slots: tuple[Slot, ...]
    obstacles: tuple[Obstacle, ...]


class View(NamedTuple):
    """What a replica knows, as far as folding depends on it."""

    now: float
    # How much of each slot is on our disk.
    extents: Mapping[Slot, Extent]
    folded: Generations
    peers: Peers
    # For each missing name, seconds since its last sign of life.
    missing_s: Mapping[str, float]
    dismissed: Sequence[Dismissed]
    # For how many seconds each closed slot has been known to be closed.
    closed_s: Mapping[Slot, float]
    grace_s: float
    # At how many of the given addresses there may be nodes that we have never met.
    unmet: int


def folds(view: View) -> Iterator[Fold]:
    """A fold for each name that has closed slots."""
    by_name: dict[str, list[Slot]] = {}
    for slot in sorted(view.closed_s):
        by_name.setdefault(slot.node, []).append(slot)
    age_s = max((each.age_s for each in view.dismissed), default=0.0)
    for node, slots in by_name.items():
        # A slot that closed later must not delay an earlier one, however often a node restarts.
        # Nor must a slot to which the last digest of a dismissed process can't have agreed yet.
        ripe = _closed_for(view, slots, view.grace_s)
        ripe = _closed_for(view, ripe, view.grace_s + age_s) or ripe
        if ripe:
            obstacles = tuple(_obstacles(view, ripe[-1]))
            yield Fold(node, ripe[-1].generation, ripe, obstacles)
        else:
            left_s = view.grace_s - view.closed_s[slots[0]]
            grace = Obstacle("grace", node, left_s)
            yield Fold(node, slots[-1].generation, tuple(slots), (grace,))


def _closed_for(view: View, slots: Sequence[Slot], seconds: float) -> tuple[Slot, ...]:
    return tuple(takewhile(lambda slot: view.closed_s[slot] >= seconds, slots))


def _obstacles(view: View, last: Slot) -> Iterator[Obstacle]:
    """What is in the way of folding the slots of a name up to `last`."""
    for node, silent_s in view.missing_s.items():
        yield Obstacle("missing", node, silent_s)
    for node, left_s in _awaited_s(view, last).items():
        yield Obstacle("grace", node, left_s)
    if view.unmet:
        # If a cluster has never been whole, each side would fold what the other has not seen.
        yield Obstacle("unmet", "", view.unmet)
    for process, alive in view.peers.alive().items():
        if process not in view.peers.by_process:
            yield Obstacle("indirect", alive.node)
    for peer in view.peers:
        if obstacle := _disagreement(view, last, peer.hello.node, peer.evidence(view.now)):
            yield obstacle


def _awaited_s(view: View, last: Slot) -> dict[str, float]:
    """The names of the dismissed processes that have not agreed, and how long to wait for each."""
    awaited_s: dict[str, float] = {}
    for node, left_s, digest, age_s, _ in view.dismissed:
        was_ripe = view.closed_s[last] - age_s >= view.grace_s
        if not was_ripe or _disagreement(view, last, node, digest):
            awaited_s[node] = max(left_s, awaited_s.get(node, 0.0))
    return awaited_s


def _disagreement(view: View, last: Slot, node: str, digest: Digest | None) -> Obstacle | None:
    if digest is None or not digest.closed.covers(last):
        return Obstacle("unaware", node)
    slots = {
        slot
        for slot in (*view.extents, *digest.slots)
        if slot.node == last.node and slot.generation <= last.generation
        if not view.folded.covers(slot)
    }
    pairs = [(view.extents.get(slot, NOTHING), digest.slots.get(slot, NOTHING)) for slot in slots]
    if apart := sum(abs(ours.durable - theirs.durable) for ours, theirs in pairs):
        return Obstacle("behind", node, apart)
    # The same seq is not enough: only equal fingerprints mean equal rows.
    if any(ours != theirs or ours.fingerprint is None for ours, theirs in pairs):
        return Obstacle("unsettled", node)
    return None
