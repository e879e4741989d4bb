"""A replica that only listens: a browser. It merges what nodes tell it and never counts.

It may hop from node to node, sleep for a year and load what it stored: whatever it hears is merged
into what it has, so a stale node can't take its number back.
"""

from typing import Final

from ratchet import generations, names, snapshot, strict_json
from ratchet.counter import Counter
from ratchet.generations import Generations
from ratchet.names import Invalid
from ratchet.snapshot import Snapshot

_NOTHING: Final = Counter()


class Passive:
    """The counters that one browser has seen, and the one `folded` that they all stand on."""

    def __init__(self) -> None:
        self.folded: Generations = {}
        self.counters: dict[str, Counter] = {}

    def receive(self, heard: Snapshot) -> Counter:
        """Merge what a node, another tab or the storage says; the merged counter of its video."""
        self.folded = generations.join(self.folded, heard.folded)
        # The other counters are lifted when they are next touched: lift gives the same counter
        # early or late.
        ours = self.counters.get(heard.video, _NOTHING).lift(self.folded)
        merged = ours.merge(heard.counter.lift(self.folded))
        self.counters[heard.video] = merged
        return merged

    def snapshot(self, video: str) -> Snapshot:
        """What this replica would tell another."""
        counter = self.counters.get(video, _NOTHING).lift(self.folded)
        return Snapshot(video, counter, self.folded)


def merge(video: str, stored_counter: str, stored_folded: str, received: str) -> str:
    """One step of a browser, text in and text out, made for a storage transaction around it.

    Reads what is stored (``{"base", "slots"}`` of this video, and ``folded`` of all; either may be
    empty), merges the text of one received snapshot (or nothing, if empty), and answers
    ``{"video", "base", "slots", "folded", "value", "discarded"}``. The caller stores base and
    slots, and `folded`, in one transaction, or `folded` first: counters that are newer than their
    `folded` could count a slot twice.

    What is stored may be anything (another version, a hand in the developer tools), so garbage
    there counts as nothing, and `discarded` names it: "counter", "folded". A counter without the
    `folded` it stood on is not safe to merge, so garbage there, or none, discards both. Garbage in
    `received`, or a snapshot of another video, raises `Invalid`, a ValueError.
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
        heard = snapshot.decode(received)
        if heard.video != video:
            raise Invalid(f"a snapshot of {heard.video}, not of {names.shown(video)}")
        replica.receive(heard)
    now = replica.snapshot(names.video(video))
    extra = {"value": now.counter.value, "discarded": discarded}
    return strict_json.dumps({**snapshot.encode(now), **extra})
