"""The lesson: gives the same orders to the real counter and to the naive ways, and compares them.

An order is a few words. Semicolons separate several orders:

    count a         a view at a                 count c 3     three views at c
    count a b       a view at each at the same moment, before either knows of the other's view
    again           the last message of the network comes a second time
    cut c, heal c   no message to or from c arrives; messages arrive again
    kill c, start c the process of c ends; another one starts on the same disk
    wipe c          the disk of c is lost (while c doesn't run)
    retire c        a running node learns that c, which doesn't run, won't come back
    wait            an hour passes
    reload c        the page is loaded again, from c
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from ratchet.members import Refused

from .naive import WAYS, Naive
from .scene import Scene, scene
from .telling import sum_up, tell, tell_naive
from .world import NAMES, World

# How every story begins: with some views at each node, which all nodes know.
BEGINNING: Final = "count a 3; count b 2; count c 2"


class Impossible(ValueError):
    """This order is not possible now, or is no order."""


class Lesson:
    """One world, from the beginning of a story."""

    def __init__(self) -> None:
        self._world = World()
        self._naive = {way: Naive(way, NAMES, self._world.page.at) for way in WAYS}
        for order in _orders(BEGINNING):
            self._do(order)
            self._settle()

    def scene(self) -> Scene:
        """Everything that the page draws now."""
        return scene(self._world, self._naive)

    def possible(self) -> list[str]:
        """The orders that are possible now, each with at most one name."""
        orders = ["again", "wait"]
        for name in NAMES:
            node = self._world.nodes[name]
            orders.append(f"{'heal' if node.cut else 'cut'} {name}")
            if node.replica:
                orders += [f"{verb} {name}" for verb in ("count", "reload", "kill")]
            else:
                orders += [f"{verb} {name}" for verb in ("start", "wipe")]
                if self._may_retire(name):
                    orders.append(f"retire {name}")
        return orders

    def obey(self, text: str) -> tuple[list[Scene], str, dict[str, str]]:
        """Carry out orders. Returns the scenes on the way, the sentences about the counter, and the
        sentence about each naive way. Raises `Impossible` before the order that is not possible."""
        begin = before = self.scene()
        scenes, said = [], []
        for order in _orders(text):
            self._do(order)
            told = [(name, rows) for name, rows in self._world.told() if order[0] == "again"]
            if (at_once := self.scene()) != before:
                scenes.append(at_once)
            self._settle()
            after = self.scene()
            said += tell(order, before, after, told)
            before = after
        scenes.append(before)
        if not text.split(";")[-1].strip().startswith("reload"):
            # The sentence about a reload already has these numbers.
            said.append(sum_up(begin, before))
        return scenes, " ".join(said), {way: tell_naive(begin, scenes, way) for way in WAYS}

    # -- one order -------------------------------------------------------------------------

    def _do(self, order: list[str]) -> None:
        world, naive = self._world, self._naive.values()
        match order:
            case ["count", *words] if names := [word for word in words if word in NAMES]:
                views = _views(words[len(names) :])
                self._must(*(f"count {name}" for name in names))
                world.count(names, views)
                for one in naive:
                    one.count(names, views)
            case ["again"]:
                world.again()
                for one in naive:
                    one.again()
            case ["wait"]:
                world.wait()
            case [verb, name]:
                self._must(f"{verb} {name}")
                self._do_to(verb, name)
            case _:
                raise Impossible(f"no such order: {' '.join(order)}")
        self._listen()

    def _do_to(self, verb: str, name: str) -> None:
        world, naive = self._world, self._naive.values()
        if verb == "retire":
            told = world.asked() or ""
            for one in naive:
                one.retire(name, [told, *world.linked_to(told)])
        getattr(world, verb)(name)
        for one in naive:
            if verb in ("heal", "start"):
                one.meet([name, *world.linked_to(name)])
            elif verb == "wipe":
                one.wipe(name)
            elif verb == "reload":
                one.at = name

    def _settle(self) -> None:
        self._world.settle()
        for one in self._naive.values():
            one.deliver(self._world.linked_to)
        self._listen()

    def _listen(self) -> None:
        self._world.listen()
        for one in self._naive.values():
            if self._world.nodes[one.at].replica:
                one.listen()

    def _may_retire(self, name: str) -> bool:
        asked = self._world.nodes[self._world.asked() or name].replica
        try:
            if asked:
                asked.members.check_may_retire(name)
        except Refused:
            return False
        return asked is not None and not asked.table.is_gone(name)

    def _must(self, *orders: str) -> None:
        possible = self.possible()
        for order in orders:
            if order not in possible:
                raise Impossible(f"it can't be done now: {order}")


class Stage:
    """What the page's worker calls: text in, text out."""

    def __init__(self) -> None:
        self._lesson = Lesson()

    def play(self, orders: str, afresh: bool) -> str:
        """Carry out these orders (a JSON list of texts). `afresh`: in a new world.

        Returns JSON about the last of them, ``{"scenes", "said", "naive", "possible"}``: the scenes
        on the way (the last one is now), the sentences, and what can be ordered next.
        """
        if afresh:
            self._lesson = Lesson()
        scenes, said, naive = [self._lesson.scene()], "", dict.fromkeys(WAYS, "")
        for text in json.loads(orders):
            scenes, said, naive = self._lesson.obey(text)
        answer = {
            "scenes": [asdict(one) for one in scenes],
            "said": said,
            "naive": naive,
            "possible": self._lesson.possible(),
        }
        return json.dumps(answer)


def _orders(text: str) -> Iterator[list[str]]:
    return (order.split() for order in text.split(";"))


def _views(words: list[str]) -> int:
    """How many views a `count` asks for: the number after the names, or one."""
    match words:
        case []:
            return 1
        case [number] if number.isdecimal() and int(number):
            return int(number)
        case _:
            raise Impossible(f"no number of views: {' '.join(words)}")
