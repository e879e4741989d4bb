"""Folds: why closed slots wait to be folded, and what has been folded."""

from collections.abc import Iterator
from dataclasses import dataclass

from ratchet import folding, names
from ratchet.generations import NOTHING
from ratchet.observation import Observation

from ratchet_server.operator.humanize import counted, duration
from ratchet_server.operator.verdict import Mood


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One thing that is in the way of a fold. The kind says whether `amount` counts rows, seconds
    or addresses: see `ratchet.folding.Obstacle`."""

    kind: str
    node: str
    amount: float
    text: str
    mood: Mood


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """The closed slots of one name."""

    node: str
    generation: int
    slots: int
    text: str
    # Why the slots wait. Empty: nothing is in the way.
    obstacles: tuple[Obstacle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A name with slots in the base."""

    node: str
    generation: int
    views: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The sum of all folded slots."""

    videos: int
    views: int
    text: str


def folds(seen: Observation) -> tuple[Fold, ...]:
    """A fold for each name that has closed slots."""
    return tuple(_fold(fold, seen.node) for fold in seen.folds)


def folded(seen: Observation) -> Iterator[Folded]:
    """What is folded of each name that is listed, sorted by name."""
    for node in sorted(seen.folded.names()):
        generation = seen.folded[node]
        # A name below the floor is listed although nothing of it may be folded.
        if generation:
            views = seen.lifted_views.get(node, 0)
            text = f"{counted(views, 'view')} of {node}, up to {node}@{generation}"
            yield Folded(node=node, generation=generation, views=views, text=text)


def base(seen: Observation) -> Base:
    """What is in the base."""
    views, videos = counted(seen.base_views, "view"), counted(seen.base_videos, "video")
    text = f"{views} of {videos}."
    if seen.folded.floor > NOTHING:
        text += f" All slots of names that are not listed are in it, up to {seen.folded.floor}."
    return Base(videos=seen.base_videos, views=seen.base_views, text=text)


def _fold(fold: folding.Fold, here: str) -> Fold:
    obstacles = tuple(_obstacle(each, here) for each in fold.obstacles)
    text = f"{counted(len(fold.slots), 'slot')} of {fold.node}, up to {fold.node}@{fold.generation}"
    if not obstacles:
        text += ": nothing is in the way, and the fold is about to happen"
    return Fold(
        node=fold.node,
        generation=fold.generation,
        slots=len(fold.slots),
        text=text,
        obstacles=obstacles,
    )


def _obstacle(each: folding.Obstacle, here: str) -> Obstacle:
    return Obstacle(
        kind=each.kind,
        node=each.node,
        amount=each.amount,
        text=obstacle_text(each, here),
        # Every slot waits for a grace.
        mood="well" if each.kind == "grace" else "look",
    )


def obstacle_text(each: folding.Obstacle, here: str) -> str:
    """Why a fold waits, as node `here` sees it."""
    kind, node, amount = each
    match kind:
        case "grace":
            return (
                f"A slot of {node} was closed only lately. These slots wait for {duration(amount)} "
                f"more, in case {node} is only cut off, and comes back with rows of them."
            )
        case "missing" if names.is_import(node):
            return (
                f"{node} is an import that has not ended. Import its file again, so that all nodes "
                "get all of it; or retire it, to end it as it is."
            )
        case "missing":
            return (
                f"{node} has been missing for {duration(amount)}. It may have views of these "
                "slots that no other node has."
            )
        case "unmet":
            return (
                f"At {counted(round(amount), 'place')} that {here} was given, by --peer, --bus or "
                "--registry, it has not met all nodes yet, and they may have views that no other "
                "node has. Start them, or leave out the place."
            )
        case "indirect":
            return f"{node} is alive, but not connected to {here}: {here} can't tell what it has."
        case "unaware":
            return f"{node} has not yet reported that it knows that these slots are closed."
        case "behind":
            rows = counted(round(amount), "row")
            return f"{here} and {node} do not have the same rows of these slots yet: {rows} to go."
        case "unsettled":
            return f"{node} is still writing or fetching rows of these slots."
