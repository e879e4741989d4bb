"""Browsers: tabs that watch nodes, and one storage for all tabs of a browser.

They run the code that the page runs: `Passive` merges in a tab's memory, `passive.merge` merges
what a tab has into the storage, as text. Each checks that no number that it shows ever falls.
"""

import json
from collections import Counter as Tally

from ratchet import passive, snapshot
from ratchet.passive import Passive
from ratchet.snapshot import Snapshot

from simulation.truth import Broken, Truth


class Tab:
    """One tab: its memory, and the highest number that it has shown of each video."""

    def __init__(self) -> None:
        self.memory = Passive()
        self.shown: Tally[str] = Tally()


class Browser:
    """One storage and its tabs. The storage is text: a counter for each video, and one `folded`."""

    def __init__(self, label: str, truth: Truth) -> None:
        self.label = label
        self.tabs: list[Tab] = [Tab()]
        self.counters: dict[str, str] = {}
        self.folded = ""
        self.stored: Tally[str] = Tally()
        self._truth = truth

    def receive(self, pick: int, received: Snapshot) -> None:
        """One of the tabs receives a snapshot: it merges, shows and stores it."""
        tab = self.tabs[pick % len(self.tabs)]
        value = tab.memory.receive(received).value
        self._check(received.video, value, tab.shown, "a tab")
        for video, counter in tab.memory.counters.items():
            if counter.lift(tab.memory.folded).value != counter.value:
                raise Broken("4", f"lifting changes {video} of {self.label}")
        self._store(tab.memory.snapshot(received.video))

    def reload(self, pick: int) -> None:
        """Close a tab and open it again: it begins with what is stored."""
        tab = self.tabs[pick % len(self.tabs)] = Tab()
        for video in self.counters:
            text = passive.merge(video, self.counters[video], self.folded, "")
            merged = json.loads(text)
            kept = {key: merged[key] for key in ("video", "base", "slots", "folded")}
            value = tab.memory.receive(snapshot.decode(json.dumps(kept))).value
            self._check(video, value, tab.shown, "a reloaded tab")
            if value < self.stored[video]:
                raise Broken("2", f"{self.label} shows less of {video} after a reload")

    def open_tab(self) -> None:
        """Open one more tab."""
        self.tabs.append(Tab())
        self.reload(len(self.tabs) - 1)

    def age(self) -> "Browser":
        """A copy of this browser's profile, as in a backup. It may be opened a year later."""
        copy = Browser(f"{self.label}, an old profile", self._truth)
        copy.counters, copy.folded = dict(self.counters), self.folded
        copy.stored = Tally(self.stored)
        return copy

    def _store(self, now: Snapshot) -> None:
        """One transaction: read, merge, write the counter and `folded` together."""
        stored = self.counters.get(now.video, "")
        text = json.dumps(snapshot.encode(now))
        merged = json.loads(passive.merge(now.video, stored, self.folded, text))
        if merged["discarded"]:
            raise Broken("2", f"{self.label} throws away what it stored: {merged['discarded']}")
        value, folded = merged["value"], merged["folded"]
        counter = {key: merged[key] for key in ("base", "slots")}
        self._check(now.video, value, self.stored, "the storage")
        self.counters[now.video], self.folded = json.dumps(counter), json.dumps(folded)

    def _check(self, video: str, value: int, seen: Tally[str], where: str) -> None:
        if value > self._truth.total[video]:
            raise Broken(
                "1",
                f"{where} of {self.label} shows {value} views of {video}, but only "
                f"{self._truth.total[video]} were counted",
            )
        if value < seen[video]:
            raise Broken(
                "2", f"{video} falls from {seen[video]} to {value} in {where} of {self.label}"
            )
        seen[video] = value
