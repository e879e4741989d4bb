"""A scene: every number that the page draws at one moment, real and naive."""

from dataclasses import dataclass

from ratchet.counter import Counter
from ratchet.generations import Generations
from ratchet.slot import Slot

from .naive import Naive
from .world import World


@dataclass(frozen=True)
class Part:
    """A piece of a bar. `closed`: it is a slot that never grows again."""

    name: str
    views: int
    closed: bool = False


@dataclass(frozen=True)
class Bar:
    """A number, and the parts that add up to it."""

    value: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Fold:
    """Closed slots that are not folded yet, and the nodes that must agree but can't be reached."""

    slots: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class NodeScene:
    """One node. `slot`: where it counts; `others`: the nodes that it is connected to; `gone`: it
    was retired; `only`: how many views are on its disk alone."""

    name: str
    running: bool
    cut: bool
    gone: bool
    slot: str
    others: tuple[str, ...]
    only: int
    bar: Bar
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class PageScene:
    """The browser: the node that it was loaded from, and whether that node still runs."""

    at: str
    connected: bool
    bar: Bar


@dataclass(frozen=True)
class NaiveScene:
    """The same nodes and page, in one of the naive ways."""

    nodes: dict[str, Bar]
    page: Bar
    # The highest number that the page has shown.
    highest: int


@dataclass(frozen=True)
class Scene:
    """One moment. `lost`: how many of the `truth` are on no node and no disk any more."""

    truth: int
    lost: int
    nodes: dict[str, NodeScene]
    page: PageScene
    naive: dict[str, NaiveScene]


def scene(world: World, naive: dict[str, Naive]) -> Scene:
    """The scene of this moment."""
    closed = Generations()
    for node in world.nodes.values():
        if node.replica:
            closed.merge(node.replica.table.closed)
    page = world.page
    return Scene(
        truth=world.truth,
        lost=world.truth - world.known().value,
        nodes={name: _node(world, name) for name in world.nodes},
        page=PageScene(page.at, bool(world.nodes[page.at].replica), _bar(page.counter, closed)),
        naive={way: _naive(one) for way, one in naive.items()},
    )


def label(slot: Slot) -> str:
    """A slot's short name: `c@2`. (A real generation is the time of the start in microseconds.)"""
    return f"{slot.node}@{slot.generation / 1000:g}"


def _node(world: World, name: str) -> NodeScene:
    node = world.nodes[name]
    replica = node.replica
    asked = world.nodes[world.asked() or name].replica
    # For a node that doesn't run, draw what its disk has.
    counter = replica.table.counter("tide") if replica else node.disk.known()[0]
    closed = replica.table.closed if replica else Generations(node.disk.read().closed)
    folds = replica.observe().folds if replica else ()
    return NodeScene(
        name=name,
        running=replica is not None,
        cut=node.cut,
        gone=not replica and asked is not None and asked.table.is_gone(name),
        slot=label(replica.table.own) if replica and replica.table.own else "",
        others=tuple(world.linked_to(name)),
        only=world.known().value - world.known(without=name).value,
        bar=_bar(counter, closed),
        folds=tuple(
            Fold(
                tuple(label(slot) for slot in fold.slots),
                tuple(one.node for one in fold.obstacles if one.kind in ("missing", "indirect")),
            )
            for fold in folds
        ),
    )


def _bar(counter: Counter, closed: Generations) -> Bar:
    parts = [Part("base", counter.base)] if counter.base else []
    parts += [
        Part(label(slot), views, closed.covers(slot))
        for slot, views in sorted(counter.slots.items())
        if views
    ]
    return Bar(counter.value, tuple(parts))


def _naive(one: Naive) -> NaiveScene:
    def bar(name: str) -> Bar:
        parts = sorted(one.nodes[name].parts().items(), key=lambda part: part[0] != "base")
        return Bar(one.value(name), tuple(Part(*part) for part in parts if part[1]))

    return NaiveScene(
        {name: bar(name) for name in one.nodes},
        Bar(one.shown, (Part("", one.shown),) if one.shown else ()),
        one.highest,
    )
