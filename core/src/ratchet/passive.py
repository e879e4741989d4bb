"""A passive replica: a browser. It merges the snapshots of nodes and never counts.

A browser may hop from node to node, sleep for a year and load what it stored. It merges everything
into what it has, so a stale node can't take its number back.
"""

from typing import Final

from ratchet import names, snapshot, strict_json
from ratchet.counter import Counter
from ratchet.generations import Generations
from ratchet.names import Invalid
from ratchet.snapshot import Snapshot

_NOTHING: Final = Counter()


class Passive:
    """The counters that one browser has seen, and the one `folded` that they all stand on."""

    def __init__(self) -> None:
        self.folded = Generations()
        self.counters: dict[str, Counter] = {}

    def receive(self, received: Snapshot) -> Counter:
        """Merge a snapshot of a node, another tab or the storage. Return its video's counter."""
        self.folded.merge(received.folded)
        # The other counters are lifted when they are next touched: early or late, lift gives the
        # same counter.
        ours = self.counters.get(received.video, _NOTHING).lift(self.folded)
        merged = ours.merge(received.counter.lift(self.folded))
        self.counters[received.video] = merged
        return merged

    def snapshot(self, video: str) -> Snapshot:
        """The snapshot that this replica would send to another."""
        counter = self.counters.get(video, _NOTHING).lift(self.folded)
        return Snapshot(video, counter, Generations(self.folded))


def merge(video: str, stored_counter: str, stored_folded: str, received: str) -> str:
    """One step of a browser, text in and text out, made for a storage transaction around it.

    Parse what is stored: ``{"base", "slots"}`` of this video, and ``folded`` of all videos. Either
    may be empty. Merge the text of one received snapshot, if it is not empty. Return
    ``{"video", "base", "slots", "folded", "value", "discarded"}``. The caller stores base and
    slots, and `folded`, in one transaction, or `folded` first: counters that are newer than their
    `folded` could count a slot twice.

    The storage may hold anything (another version's data, a developer's edits), so garbage there
    counts as nothing, and `discarded` names it: "counter", "folded". A counter is safe to merge
    only with the `folded` it stood on, so garbage in `folded`, or no `folded`, discards both.
    Garbage in `received`, or a snapshot of another video, raises `Invalid`, a ValueError.
    """
    replica = Passive()
    discarded = []
    try:
        if stored_counter or stored_folded:
            replica.folded = snapshot.decode_generations(snapshot.parse(stored_folded))
    except Invalid:
        discarded.append("folded")
        if stored_counter:
            discarded.append("counter")
        stored_counter = ""
    try:
        if stored_counter:
            replica.counters[names.video(video)] = snapshot.decode_counter(
                snapshot.parse(stored_counter)
            )
    except Invalid:
        discarded.append("counter")
    if received:
        theirs = snapshot.decode(received)
        if theirs.video != video:
            raise Invalid(f"a snapshot of {theirs.video}, not of {names.shown(video)}")
        replica.receive(theirs)
    now = replica.snapshot(names.video(video))
    extra = {"value": now.counter.value, "discarded": discarded}
    return strict_json.dumps({**snapshot.encode(now), **extra})
