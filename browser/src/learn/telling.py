"""Sentences about what just happened. They come from comparing two scenes; none is prepared."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from ratchet.frames import Rows

from .scene import Bar, Scene, label
from .world import views_of

# The messages that came again, and their senders.
Told = Sequence[tuple[str, Rows]]


def tell(order: list[str], before: Scene, after: Scene, told: Told) -> list[str]:
    """The sentences for one order."""
    verb, *words = order
    names = [word for word in words if word in after.nodes]
    if verb == "again":
        said = _again(after, told)
    elif verb == "wait":
        said = _wait(after)
    elif verb == "count":
        said = _count(before, after, names)
    else:
        said = _OF_ONE[verb](names[0], before, after)
    return said + _folded(before, after)


def sum_up(before: Scene, after: Scene) -> str:
    """The numbers of all nodes and of the page now, as a sentence."""
    values = {name: node.bar.value for name, node in after.nodes.items() if node.running}
    page = after.page.bar.value
    if not values:
        return f"No node runs; the page shows {page}."
    said = _groups(values, after)
    shown = {*values.values()}
    if page not in shown or (after.page.connected and page != values[after.page.at]):
        all_of_it = page == after.truth and page not in shown
        return f"{said}, the page {page}{': it alone knows all' if all_of_it else ''}."
    apart = len({node.bar.value for node in before.nodes.values() if node.running}) > 1
    if apart and shown == {after.truth}:
        return f"{said}, which is right."
    return f"{said}."


def tell_naive(before: Scene, seen: Sequence[Scene], way: str) -> str:
    """How the naive way differs from the counter, in sentences."""
    after = seen[-1]
    naive = after.naive[way]
    said = []
    values = {
        name: naive.nodes[name].value
        for name, node in after.nodes.items()
        if node.running and naive.nodes[name].value != node.bar.value
    }
    if values:
        offs = {value - after.nodes[name].bar.value for name, value in values.items()}
        up_to = "" if len(offs) == 1 else "up to "
        said.append(f"{_groups(values, after)}: {up_to}{_off(max(offs, key=abs))}.")
    for name, bar in before.naive[way].nodes.items():
        if after.nodes[name].running and naive.nodes[name].value < bar.value:
            said.append(f"{name} falls from {bar.value} to {naive.nodes[name].value}.")
    shown = [scene.naive[way].page.value for scene in (before, *seen)]
    fall = next((step for step in pairwise(shown) if step[1] < step[0]), None)
    off = naive.page.value - after.page.bar.value
    if fall:
        said.append(f"The page falls from {fall[0]} to {fall[1]}.")
    elif off and not values:
        said.append(f"The page shows {naive.page.value}, {_off(off)}.")
    return " ".join(said) or "The same."


# -- orders --------------------------------------------------------------------------------


def _count(before: Scene, after: Scene, names: list[str]) -> list[str]:
    own = {name: after.nodes[name].slot for name in names}
    grown = [f"{slot} is {_views(after.nodes[name].bar, slot)}" for name, slot in own.items()]
    if len(names) > 1:
        return [
            f"{_and(names)} count at the same moment, each in its own slot: {_and(grown)} now. "
            "Only then do they exchange messages."
        ]
    [name], [slot_is] = names, grown
    it = "it" if after.truth - before.truth == 1 else "them"
    others = after.nodes[name].others
    if others:
        received = f"{_and(others)} receive{_s(others)} “{slot_is}”."
    else:
        received = f"No other node knows of {it} yet."
    return [f"{name} counts {it} in its own slot: {slot_is} now. {received}"]


def _again(after: Scene, told: Told) -> list[str]:
    if not told:
        return ["No node can receive the last message again."]
    said = [f"“{label(rows.slot)} is {views_of(rows).views}”" for _, rows in told]
    others = sorted({other for sender, _ in told for other in after.nodes[sender].others})
    return [
        f"{_and(said)} come{_s(said)} a second time. {_and(others)} know{_s(others)} that "
        "already, so nothing changes."
    ]


def _wait(after: Scene) -> list[str]:
    """After an hour closed slots may be folded. If not: which nodes are in the way?"""
    waiting = {
        fold.slots: fold.missing
        for node in after.nodes.values()
        for fold in node.folds
        if fold.missing
    }
    return [
        "An hour passes.",
        *(
            f"{_and(slots)} can’t be folded yet: {_and(nodes)} might know more of it."
            for slots, nodes in waiting.items()
        ),
    ]


def _cut(name: str, _before: Scene, after: Scene) -> list[str]:
    still = " People still reach it." if after.nodes[name].running else ""
    return [f"{name} is cut off: no message reaches it, and none from it arrives.{still}"]


def _heal(name: str, before: Scene, after: Scene) -> list[str]:
    others = after.nodes[name].others
    if not others:
        return [f"The network of {name} is back, but no other node is there."]
    grown = {one: after.nodes[one].bar.value - before.nodes[one].bar.value for one in after.nodes}
    lacked = [("It", grown[name]), (_and(others), max(grown[one] for one in others))]
    missed = [f"{who} lacked {_counted(views)}" for who, views in lacked if views]
    if not missed:
        return [f"{name} is back; no node had missed a view."]
    return [f"{name} is back. {'; '.join(missed)}. Each keeps the larger number of every slot."]


def _kill(name: str, _before: Scene, after: Scene) -> list[str]:
    if only := after.nodes[name].only:
        return [f"{name} is dead. No other node has {_counted(only)} of those on its disk."]
    return [f"{name} is dead. The others have all that it had."]


def _wipe(name: str, before: Scene, after: Scene) -> list[str]:
    if gone := after.lost - before.lost:
        return [f"The disk of {name} is lost, and with it {_counted(gone)} that no other node had."]
    return [f"The disk of {name} is lost."]


def _start(name: str, before: Scene, after: Scene) -> list[str]:
    disk = "its disk" if before.nodes[name].bar.value else "an empty disk"
    return [f"{name} starts again, on {disk}, and opens a new slot: {after.nodes[name].slot}."]


def _retire(name: str, _before: Scene, after: Scene) -> list[str]:
    told = [one for one, node in after.nodes.items() if one != name and node.running]
    told.sort(key=lambda one: after.nodes[one].cut)
    return [
        f"{told[0]} learns that {name} won’t come back, and closes the slot of {name} for good."
    ]


def _reload(name: str, before: Scene, after: Scene) -> list[str]:
    node, had, shows = after.nodes[name].bar, before.page.bar, after.page.bar
    begin = f"The page is loaded again, from {name}, which says {node.value}."
    if lifted := _lifted(had, shows):
        copies = "its own copy" if len(lifted) == 1 else "its own copies"
        learns = (
            f"The page learns that {_and(lifted)} {_is(lifted)} in the base, lifts {copies} there"
        )
        return [f"{begin} {learns}, too, and then takes the larger of each: {shows.value}."]
    kept = [
        f"{part.name} is {part.views}"
        for part in had.parts
        if part.views > _views(node, part.name) and part.name in _names(shows)
    ]
    if kept:
        also = ", learns the rest" if shows.value > had.value else ""
        return [f"{begin} The page knows already that {_and(kept)}{also}, and shows {shows.value}."]
    if shows.value > had.value:
        return [f"{begin} The page had {had.value}, and learns the rest."]
    return [f"{begin} The page has the same."]


_OF_ONE: Mapping[str, Callable[[str, Scene, Scene], list[str]]] = {
    "cut": _cut,
    "heal": _heal,
    "kill": _kill,
    "wipe": _wipe,
    "start": _start,
    "retire": _retire,
    "reload": _reload,
}


def _folded(before: Scene, after: Scene) -> list[str]:
    """The slots that have moved into the base, at any node that ran before and after."""
    lifted: dict[str, int] = {}
    for name, node in after.nodes.items():
        was = before.nodes[name]
        if was.running and node.running:
            lifted |= {slot: _views(was.bar, slot) for slot in _lifted(was.bar, node.bar)}
    if not lifted:
        return []
    its = "its" if len(lifted) == 1 else "their"
    moved = _counted(sum(lifted.values()))
    return [
        f"All agree on {_and(sorted(lifted))}: {its} {moved} move into the base, and the sum stays."
    ]


# -- words ---------------------------------------------------------------------------------


def _groups(values: Mapping[str, int], after: Scene) -> str:
    """`a and b say 9, c says 7`."""
    by_value: dict[int, list[str]] = {}
    for name, value in values.items():
        by_value.setdefault(value, []).append(name)
    running = sum(node.running for node in after.nodes.values())
    if len(by_value) == 1 and len(values) == running > 1:
        return f"{'Both' if running == 2 else 'All three'} say {next(iter(by_value))}"
    return ", ".join(f"{_and(names)} say{_s(names)} {value}" for value, names in by_value.items())


def _views(bar: Bar, name: str) -> int:
    return sum(part.views for part in bar.parts if part.name == name)


def _names(bar: Bar) -> list[str]:
    return [part.name for part in bar.parts]


def _lifted(before: Bar, after: Bar) -> list[str]:
    """The slots that are in the base now."""
    if _views(after, "base") <= _views(before, "base"):
        return []
    return [name for name in _names(before) if name not in ("base", *_names(after))]


def _off(difference: int) -> str:
    return f"{abs(difference)} too {'many' if difference > 0 else 'few'}"


def _counted(views: int) -> str:
    return f"{views} view{'' if views == 1 else 's'}"


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _s(names: Sequence[str]) -> str:
    """The ending of a verb whose subject is one name."""
    return "s" if len(names) == 1 else ""


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
