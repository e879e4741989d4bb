"""Four ways to count that look right, and aren't. None of this is part of Ratchet.

Each class is one node of such a cluster. A node sends a small map to the others when it counts, and
when it meets them. `hear` is what it does with a map that it receives.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

Told = Mapping[str, int]


class Way(Protocol):
    """One node."""

    def count(self, views: int, now: int) -> Told:
        """Count views. Returns the map that is sent to the others."""

    def hear(self, told: Told) -> None:
        """Receive a map from another node."""

    def greet(self) -> Told:
        """The map that is sent to another node when the two meet (again)."""

    def forget(self, name: str) -> None:
        """Learn that this node won't come back."""

    def parts(self) -> Mapping[str, int]:
        """The parts that add up to its number."""


class Larger:
    """One number. A node that receives a larger one takes it."""

    def __init__(self, _name: str) -> None:
        self.number = 0

    def count(self, views: int, _now: int) -> Told:
        self.number += views
        return self.greet()

    def hear(self, told: Told) -> None:
        self.number = max(self.number, told["number"])

    def greet(self) -> Told:
        return {"number": self.number}

    def forget(self, name: str) -> None: ...

    def parts(self) -> Mapping[str, int]:
        return {"": self.number}


class Latest(Larger):
    """One number. The one that was written last wins."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.written = 0

    def count(self, views: int, now: int) -> Told:
        self.written = now
        return super().count(views, now)

    def hear(self, told: Told) -> None:
        if told["written"] > self.written:
            self.number, self.written = told["number"], told["written"]

    def greet(self) -> Told:
        return {"number": self.number, "written": self.written}


class Adding(Larger):
    """One number. A node that receives “one more” adds one."""

    def count(self, views: int, _now: int) -> Told:
        self.number += views
        return {"more": views}

    def hear(self, told: Told) -> None:
        self.number += told["more"]

    def greet(self) -> Told:
        # This node doesn't know what the other has received. (If it sent its whole number, the
        # other would count most of it twice.)
        return {"more": 0}


class Names:
    """A number for each name, and the larger of each: nearly right. But a name isn't a process,
    and no node keeps a list of what it has forgotten."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.numbers: dict[str, int] = {}

    def count(self, views: int, _now: int) -> Told:
        self.numbers[self.name] = self.numbers.get(self.name, 0) + views
        return self.greet()

    def hear(self, told: Told) -> None:
        for name, number in told.items():
            self.numbers[name] = max(number, self.numbers.get(name, 0))

    def greet(self) -> Told:
        return dict(self.numbers)

    def forget(self, name: str) -> None:
        self.numbers["base"] = self.numbers.get("base", 0) + self.numbers.pop(name, 0)

    def parts(self) -> Mapping[str, int]:
        return {name: number for name, number in sorted(self.numbers.items()) if number}


WAYS: Final[Mapping[str, Callable[[str], Way]]] = {
    "larger": Larger,
    "adding": Adding,
    "latest": Latest,
    "names": Names,
}


class Naive:
    """Three nodes that count in one of these ways, and a page that shows what its node says."""

    def __init__(self, way: str, names: tuple[str, ...], at: str) -> None:
        self._make = WAYS[way]
        self.nodes = {name: self._make(name) for name in names}
        self.at = at
        self.shown = 0
        self.highest = 0
        self._now = 0
        self._wire: list[tuple[str, Told]] = []
        self._told: list[tuple[str, Told]] = []

    def value(self, name: str) -> int:
        """What this node counts."""
        return sum(self.nodes[name].parts().values())

    def count(self, names: list[str], views: int) -> None:
        """Count views at each of these nodes, at the same moment."""
        self._told = []
        for name in names:
            self._now += 1
            self._told.append((name, self.nodes[name].count(views, self._now)))
        self.again()

    def again(self) -> None:
        """Send the messages about the last views, or send them once more."""
        self._wire += self._told

    def meet(self, names: list[str]) -> None:
        """Connect these nodes (again)."""
        self._wire += [(name, self.nodes[name].greet()) for name in names]

    def wipe(self, name: str) -> None:
        """Let the node lose everything."""
        self.nodes[name] = self._make(name)

    def retire(self, name: str, told: list[str]) -> None:
        """Tell the nodes `told` that this node won't come back."""
        for other in told:
            self.nodes[other].forget(name)

    def deliver(self, linked_to: Callable[[str], list[str]]) -> None:
        """Deliver all messages over links; drop those without a link."""
        wire, self._wire = self._wire, []
        for sender, told in wire:
            for other in linked_to(sender):
                self.nodes[other].hear(told)

    def listen(self) -> None:
        """Let the page show what its node counts now."""
        self.shown = self.value(self.at)
        self.highest = max(self.highest, self.shown)
