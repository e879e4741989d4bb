"""When the closed slots of a name may be folded: when nothing is in the way. What is, is said.

Lifting a slot into the base is harmless at any time, as `counter` shows. What a fold could do wrong
is to forget views that only some replica has: rows of folded slots are taken from nobody any more.
So it waits until every member of the cluster has said, knowing that the slot is closed, that it
has exactly what we have. A member that can't be reached delays the fold and never makes it wrong.

Members are all that may have rows which nobody else has: the connected processes, those that our
peers are connected to, and every name whose newest slot isn't closed, whether it is heard or not;
and whoever is at an address that we were given, as long as nobody has been met there.
The grace is for processes that are cut off from all others when their name is retired.
"""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Literal, NamedTuple

from ratchet import generations
from ratchet.frames import Extent
from ratchet.generations import Generations
from ratchet.peers import NOTHING, Peer, Peers
from ratchet.slot import Slot


class Obstacle(NamedTuple):
    """What is in the way of a fold.

    - `grace`: the slots have not been closed for long enough; `amount` seconds are left.
    - `missing`: nobody hears `node`, whose slot is open, for `amount` seconds now.
    - `unmet`: at `amount` addresses that we were given nobody has ever been met.
    - `far`: `node` is alive and not connected to us.
    - `unaware`: `node` has not said yet that it knows of the closing.
    - `behind`: `node` and we are `amount` changes apart.
    - `unsettled`: `node` is just writing, or fetching, rows of it.
    """

    kind: Literal["grace", "missing", "unmet", "far", "unaware", "behind", "unsettled"]
    node: str
    amount: float = 0


class Fold(NamedTuple):
    """The closed slots of one name, up to a generation, and why they can't be folded yet."""

    node: str
    generation: int
    slots: tuple[Slot, ...]
    obstacles: tuple[Obstacle, ...]


class View(NamedTuple):
    """What a replica knows, as far as folding asks for it."""

    slot: Slot | None
    extents: Mapping[Slot, Extent]
    heard: Generations
    closed: Generations
    peers: Peers
    # How many seconds ago a name was heard that isn't now.
    unheard_s: Mapping[str, float]
    # For how many seconds each closed slot has been known to be closed.
    closed_s: Mapping[Slot, float]
    grace_s: float
    unmet: int


def folds(view: View) -> Iterator[Fold]:
    """A fold for each name that has closed slots."""
    by_name: dict[str, list[Slot]] = {}
    for slot in sorted(view.closed_s):
        by_name.setdefault(slot.node, []).append(slot)
    for node, slots in by_name.items():
        # One that closed later holds up none that closed before it, however often a node restarts.
        ripe = tuple(takewhile(lambda slot: view.closed_s[slot] >= view.grace_s, slots))
        if ripe:
            obstacles = tuple(_obstacles(view, ripe[-1]))
            yield Fold(node, ripe[-1].generation, ripe, obstacles)
        else:
            left_s = view.grace_s - view.closed_s[slots[0]]
            grace = Obstacle("grace", node, left_s)
            yield Fold(node, slots[-1].generation, tuple(slots), (grace,))


def missing(view: View) -> dict[str, float]:
    """The names whose newest slot is open and whose process nobody hears: for how long, in s."""
    alive = {(one.node, one.generation) for one in view.peers.alive().values()}
    return {
        node: view.unheard_s.get(node, 0)
        for node, generation in view.heard.items()
        if generation > view.closed.get(node, -1)
        and (node, generation) not in alive
        and Slot(node, generation) != view.slot
    }


def _obstacles(view: View, last: Slot) -> Iterator[Obstacle]:
    """What is in the way of folding the slots of a name up to `last`."""
    for node, unheard_s in missing(view).items():
        yield Obstacle("missing", node, unheard_s)
    if view.unmet:
        # A cluster that has never been whole: each side would fold what the other hasn't seen.
        yield Obstacle("unmet", "", view.unmet)
    for process, alive in view.peers.alive().items():
        if process not in view.peers.by_process:
            yield Obstacle("far", alive.node)
    for peer in view.peers:
        if obstacle := _disagreement(view, last, peer):
            yield obstacle


def _disagreement(view: View, last: Slot, peer: Peer) -> Obstacle | None:
    node = peer.hello.node
    if peer.digest is None or not generations.covers(peer.digest.closed, last):
        return Obstacle("unaware", node)
    slots = {
        slot
        for slot in (*view.extents, *peer.digest.slots)
        if slot.node == last.node and slot.generation <= last.generation
    }
    pairs = [(view.extents.get(slot, NOTHING), peer.extent(slot)) for slot in slots]
    if apart := sum(abs(ours.upto - theirs.upto) for ours, theirs in pairs):
        return Obstacle("behind", node, apart)
    if any(ours != theirs or ours.fingerprint is None for ours, theirs in pairs):
        return Obstacle("unsettled", node)
    return None
