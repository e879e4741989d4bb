"""Draws a run from one seed: the setup of a cluster, then step after step.

Steps that are drawn one by one seldom lead to the hard moments: a node is retired while it is cut
off, and comes back just before the fold or after it; a process crashes in the middle of a lift. So
half of all steps come from short stories. The parts of a story are steps like any other, and other
faults come in between.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from simulation.network import STALE_S, WEATHERS
from simulation.process import Habits
from simulation.steps import Step, step
from simulation.world import Setup, World

# How many steps a run has by default.
STEPS: Final = 70
# How many hours a clock is wrong that begins in 1970. (A clock that is more than a day wrong cuts
# its node off, unless it is as wrong as this: see `ratchet.bounds`.)
IN_1970: Final = -500_000.0
_CLOCKS_H: Final = [0, 0, 0, 0, -1, IN_1970, 5, 0.001]


def setup(
    seed: int, nodes: int | None = None, codec_every: int = 8, stale_s: float = STALE_S
) -> Setup:
    """The cluster of the run with this seed."""
    rng = Random(f"{seed} setup")
    small = rng.random() < 0.6
    names = Random(f"{seed} names")
    wire = Random(f"{seed} wire")
    buses = wire.choice([0, 0, 0, 1, 1, 2])
    return Setup(
        seed,
        nodes or rng.choice([2, 3, 3, 3, 4, 4, 5]),
        videos=rng.choice([2, 4, 9, 9]),
        habits=Habits(
            chunk=rng.choice([2, 3]) if small else 1000,
            lifted=rng.choice([1, 2, 3]) if small else 2000,
            grace_s=rng.choice([3600.0, 3600.0, 3600.0, 600.0, 60.0]),
            retire_after_s=rng.choice([None, None, None, 7200.0]),
            retention_s=names.choice([7 * 86400.0, 86400.0, 7200.0, 60.0]),
            spare_names=names.choice([0, 0, 1, 4]),
            max_whole=wire.choice([0, 0, 0, 1000]),
            kept_days=Random(f"{seed} days").choice([0, 0, 0, 1, 2, 30]),
        ),
        codec_every=codec_every,
        buses=buses,
        # No node of the last version was ever on a bus.
        old=0.0 if buses else wire.choice([0.0, 0.0, 0.2, 0.5]),
        stale_s=stale_s,
    )


class Chooser:
    """The steps of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = Random(f"{world.setup.seed} steps")
        self._keys = Random(f"{world.setup.seed} keys")
        # A node of the last version asks nobody, and answers no question about a key.
        self._keyed = 0.0 if world.setup.old else self._keys.choice([0.0, 0.1, 0.5])
        self._story: list[Step] = []
        self._stories: list[Callable[[], Iterator[Step]]] = [
            self._retired_and_back,
            self._retired_and_back,
            self._twins,
            self._restored,
            self._rolling,
            self._leaving,
            self._killed_while_lifting,
            self._killed_while_sending,
            self._clocks,
            self._old_profile,
            self._bad_disk,
            self._cut_while_folding,
            self._churn,
            self._stale_page,
            self._half_a_transfer,
            self._folded_while_fetching,
            self._retired_while_held_up,
            self._handed_over_late,
            *3 * [self._side_retired_by_mistake],
            *2 * [self._passers_by],
            *2 * [self._alone_for_long],
            *2 * [self._held_up],
            self._closing_that_one_misses,
            self._last_views,
            *4 * [self._bridge_that_hears_one_side],
            self._half_deaf,
        ]

    def __call__(self) -> Step:
        """The next step."""
        if self._keyed and not self._story and self._keys.random() < 0.1:
            stories = (self._retried_elsewhere, self._rivals, self._newcomer_with_keys)
            self._story = [*self._keys.choice(stories)()]
        if self._keys.random() < self._keyed:
            return self._view_with_a_key()
        if not self._story:
            begins = self._rng.random() < 0.15
            self._story = [*self._rng.choice(self._stories)()] if begins else []
            self._story = self._story or [self._single()]
        # Views and replays go on during a story.
        if self._rng.random() < 0.2:
            return self._rng.choice([self._view, self._look, self._again])()
        return self._story.pop(0)

    # -- single steps ----------------------------------------------------------------------

    def _single(self) -> Step:
        rng = self._rng
        kinds: list[tuple[int, Callable[[], Step]]] = [
            (14, self._view),
            (4, lambda: step("burst", self._up(), rng.randint(3, 12), rng.choice([0.01, 0.3, 2]))),
            (12, lambda: step("pass", rng.choice([0.05, 0.3, 1, 1, 3, 6]))),
            (5, lambda: step("hours", rng.choice([0.02, 0.1, 0.9, 1, 1.1, 2, 5, 24, 24, 240]))),
            (2, lambda: step("rest")),
            (3, lambda: step("weather", rng.choice([*WEATHERS]))),
            (4, self._partition),
            (4, lambda: step("heal")),
            (2, lambda: step("lag", self._up(), rng.randrange(2), rng.choice([2, 5, 20, 60]))),
            (2, lambda: step("delay", self._up(), rng.randrange(2), rng.choice([1, 5, 9]))),
            (1, lambda: step(rng.choice(["deafen", "mute"]), self._up())),
            (3, lambda: step("crash", self._up())),
            (6, lambda: step("start", self._down(), rng.choice(_CLOCKS_H))),
            (1, lambda: step("wipe", self._any())),
            (2, lambda: step("backup", self._up())),
            (1, lambda: step("restore", self._any())),
            (1, lambda: step("twin", self._up(), rng.choice([0, 0, 0, -1, 5]))),
            (1, lambda: step("old-twin", self._up())),
            (2, lambda: step("drain", self._up())),
            (1, lambda: step("leave", self._up())),
            (1, lambda: step("scrap", self._any())),
            (2, lambda: step("retire", self._up(), self._any()[0])),
            (1, lambda: step("join", rng.choice("abcdefg"))),
            (1, lambda: step("fail", self._up(), rng.randint(1, 4))),
            (1, lambda: step("slow", self._up(), rng.choice([0.2, 2, 6]))),
            (1, lambda: step("freeze", self._up(), rng.choice([0.5, 3, 20, 4000]))),
            (3, self._again),
            (6, self._look),
            (2, self._replay),
            (1, lambda: step("reload", rng.randrange(2), rng.randrange(3))),
            (1, lambda: step("tab", rng.randrange(2))),
            (1, lambda: step("age", rng.randrange(2))),
            (1, lambda: step("revive", rng.randrange(2), rng.randrange(100))),
        ]
        return rng.choices([kind for _, kind in kinds], [weight for weight, _ in kinds])[0]()

    def _up(self) -> str:
        return self._rng.choice([process.place for process in self._world.running()] or ["a"])

    def _down(self) -> str:
        return self._rng.choice(sorted(self._world.down) or ["a"])

    def _any(self) -> str:
        return self._rng.choice(sorted({*self._world.up, *self._world.down}) or ["a"])

    def _video(self) -> str:
        return self._rng.choice(self._world.videos)

    def _view(self) -> Step:
        ack = self._rng.choice(["disk", "disk", "peers"])
        return step("view", self._up(), self._video(), self._rng.randint(1, 3), ack)

    def _view_with_a_key(self) -> Step:
        keys, there = self._keys, sorted({place[0] for place in self._world.up})
        places = "".join(keys.choices(there or ["a"], k=keys.choice([1, 2, 2, 3, 4])))
        return step("keyed", f"{places}", keys.choice(self._world.videos), keys.randrange(10**6))

    def _retries(self, first: str, then: str, count: int = 3) -> Iterator[Step]:
        """Views with keys at `first`, that are sent again to any of `then`."""
        for _ in range(count):
            others = "".join(self._keys.choices(then, k=self._keys.choice([1, 2, 3])))
            yield step("keyed", first + others, self._video(), self._keys.randrange(10**6))

    def _retried_elsewhere(self) -> Iterator[Step]:
        """A node is stopped, cut off or killed while views with keys come, and they are sent again
        to others. It comes back soon, late, after it was retired, or never."""
        keys = self._keys
        if (split := self._two_sides()) is None or not split[1]:
            return
        (gone, other), more = split
        yield step("heal")
        yield step("weather", keys.choice(["calm", "calm", "late", "doubling", "stormy"]))
        yield step("pass", 3)
        how = keys.choice(["freeze", "freeze", "isolate", "crash", "mute", "deafen"])
        yield step(how, gone, *([keys.choice([1, 5, 14, 40])] if how == "freeze" else []))
        yield from self._retries(gone, other + more)
        yield step("pass", keys.choice([0.3, 1, 4]))
        yield from self._retries(other, more + gone)
        yield step("pass", keys.choice([2, 9, 20]))
        if keys.random() < 0.3:
            # Who keeps some of them as pending is lost, and they are sent once more.
            yield step(keys.choice(["crash", "scrap", "leave", "drain"]), other)
            yield step("pass", keys.choice([0.3, 9]))
        if keys.random() < 0.3:
            yield step("retire", more[0], keys.choice([gone, other]))
            yield self._around_the_grace()
        yield step("heal")
        yield step("start", gone)
        yield step("pass", keys.choice([3, 9]))

    def _rivals(self) -> Iterator[Step]:
        """A node is down, so that views are pending; and they are sent again to all others, which
        are cut off from each other for a while."""
        keys = self._keys
        if (split := self._two_sides()) is None or not split[1]:
            return
        (gone, other), more = split
        yield step("heal")
        yield step("pass", 3)
        yield step(keys.choice(["crash", "isolate"]), gone)
        yield step("isolate", keys.choice([other, more[0]]))
        yield from self._retries(keys.choice([gone, other]), other + more)
        yield from self._retries(more[0], other + more + gone)
        yield step("pass", keys.choice([1, 4, 15]))
        yield step("heal") if keys.random() < 0.5 else step("pass", 5)
        if keys.random() < 0.5:
            yield step(keys.choice(["scrap", "crash"]), keys.choice([other, more[0]]))
        yield step("pass", keys.choice([1, 9]))
        if keys.random() < 0.5:
            yield step("retire", keys.choice([other, more[0]]), gone)
            yield self._around_the_grace()
        yield step("start", gone)
        yield step("heal")
        yield step("pass", 9)

    def _newcomer_with_keys(self) -> Iterator[Step]:
        """A node joins while one is cut off from it, or is stopped as it joins. It takes views with
        keys at once, and they are sent again to a node that does not know it."""
        keys = self._keys
        names = [name for name in "hijklmnopqrstuvwxyz" if self._is_new(name)]
        if (split := self._two_sides()) is None or not names:
            return
        (apart, other), more = split
        new = names[0]
        yield step("heal")
        yield step("pass", 3)
        for here, there in ((apart, new), (new, apart)):
            yield step("cut", here, there)
        if keys.random() < 0.4:
            yield step("isolate", apart)
        yield step("join", new)
        yield step("pass", keys.choice([0, 0.05, 0.2, 0.5]))
        yield from self._retries(new, apart + apart + other + more)
        if keys.random() < 0.5:
            yield step("freeze", new, keys.choice([3, 8, 20]))
        yield from self._retries(new, apart + apart + other + more)
        yield step("pass", keys.choice([0.5, 2, 9]))
        yield from self._retries(new, apart + apart + other + more)
        yield step("pass", keys.choice([9, 20]))
        yield step("heal")
        yield step("pass", 9)

    def _look(self) -> Step:
        rng = self._rng
        return step("look", rng.randrange(2), rng.randrange(3), self._up(), self._video())

    def _again(self) -> Step:
        rng = self._rng
        if rng.random() < 0.4:
            return self._replay()
        return step("again", rng.randrange(2), rng.randrange(3), rng.randrange(10_000))

    def _replay(self) -> Step:
        return step("replay", self._up(), self._rng.randrange(3000))

    def _partition(self) -> Step:
        rng = self._rng
        letters = sorted({place[0] for place in (*self._world.up, *self._world.down)})
        if len(letters) < 2:
            return step("isolate", self._up())
        rng.shuffle(letters)
        at = rng.randrange(1, len(letters))
        sides = f"{''.join(letters[:at])}|{''.join(letters[at:])}"
        match rng.randrange(5):
            case 0:
                return step("split", sides)
            case 1:
                return step("cut", self._up(), self._up())
            case 2:
                return step("bridge", sides, letters[0])
            case 3:
                return step("ring")
            case _:
                return step("isolate", self._up())

    # -- stories ---------------------------------------------------------------------------

    def _some_views(self, place: str, most: int = 4) -> Iterator[Step]:
        for _ in range(self._rng.randint(0, most)):
            yield step("view", place, self._video(), self._rng.randint(1, 3))

    def _short(self) -> Step:
        return step("pass", self._rng.choice([0.02, 0.1, 0.4, 1, 2.5, 5]))

    def _around_the_grace(self) -> Step:
        grace_h = self._world.setup.habits.grace_s / 3600
        return step("hours", grace_h * self._rng.choice([0.3, 0.9, 0.999, 1.001, 1.01, 1.2, 2.5]))

    def _retired_and_back(self) -> Iterator[Step]:
        """A node is cut off or down, is retired, and comes back before or after the fold."""
        rng, node = self._rng, self._up()
        yield step(rng.choice(["isolate", "crash", "isolate", "drain"]), node)
        yield from self._some_views(node)
        yield self._short()
        yield step("pass", 9)
        yield from self._some_views(node)
        yield step("retire", self._up(), node[0])
        yield from self._some_views(node)
        yield self._around_the_grace()
        if rng.random() < 0.3:
            yield step("restore", node)
        yield step("start", node)
        yield step("heal")
        yield from self._some_views(node)
        yield step("pass", 6)
        yield step("rest")

    def _twins(self) -> Iterator[Step]:
        """Two processes run under one name, and learn of each other at once or late."""
        rng, node = self._rng, self._up()[0]
        if rng.random() < 0.5:
            yield step("backup", node)
            yield from self._some_views(node)
            yield self._short()
            yield step("old-twin", node)
        else:
            yield step("twin", node, rng.choice([0, 0, -1, IN_1970, 5]))
        if rng.random() < 0.5:
            yield step("isolate", rng.choice([node, node + "+"]))
        yield from self._some_views(node)
        yield from self._some_views(node + "+")
        yield self._short()
        yield from self._some_views(node + "+")
        if rng.random() < 0.3:
            yield self._around_the_grace()
        yield step("heal")
        yield step("pass", rng.choice([1, 8, 40]))
        if rng.random() < 0.3:
            yield step("start", node)

    def _restored(self) -> Iterator[Step]:
        """A disk is lost, and an old backup or an empty disk takes its place."""
        rng, node = self._rng, self._up()
        yield step("backup", node)
        yield step("burst", node, rng.randint(2, 9), 0.3)
        yield self._short()
        yield self._around_the_grace() if rng.random() < 0.3 else self._short()
        yield step(rng.choice(["restore", "wipe"]), node)
        if rng.random() < 0.4:
            yield self._partition()
        yield step("start", node, rng.choice([0, 0, -2, IN_1970]))
        yield from self._some_views(node)
        yield self._short()

    def _rolling(self) -> Iterator[Step]:
        """Every node is drained and started again, one after the other."""
        for process in self._world.running():
            yield step("drain", process.place)
            yield from self._some_views(process.place, 2)
            yield step("pass", 6)
            yield step("start", process.place)
            yield self._short()

    def _leaving(self) -> Iterator[Step]:
        """One or two nodes leave for good, perhaps at the same time; another node joins."""
        node = self._up()
        yield from self._some_views(node)
        yield step("leave", node)
        if self._rng.random() < 0.5:
            yield from self._some_views(other := self._up())
            yield step("leave", other)
        yield self._short()
        yield step("join", self._rng.choice("abcdefg"))
        yield step("pass", 8)
        yield self._around_the_grace()
        yield step("pass", 4)

    def _killed_while_lifting(self) -> Iterator[Step]:
        """A process that lifts a slot is killed in the middle of it, perhaps again and again."""
        node = self._up()
        yield step("burst", node, 12, 0.3)
        yield step("pass", 2)
        yield step("crash", node)
        yield step("start", node)
        yield step("pass", 3)
        yield step("until-lifting", 1.2 * self._world.setup.habits.grace_s / 3600 + 0.01)
        for _ in range(self._rng.randint(1, 4)):
            yield step("pass", self._rng.choice([0, 0.003, 0.01, 0.03]))
            yield step("crash-lifting")
        yield step("pass", 3)

    def _killed_while_sending(self) -> Iterator[Step]:
        """A new or empty node fetches many rows; the sender is killed in the middle."""
        node, source = self._up(), self._up()
        yield step("weather", self._rng.choice(["slow", "slow", "late", "calm"]))
        yield step("wipe" if self._rng.random() < 0.3 else "crash", node)
        yield step("burst", source, 14, 0.1)
        yield step("pass", 1)
        yield step("start", node)
        yield step("pass", self._rng.choice([0.2, 1, 4, 8, 12]))
        how = self._rng.choice(["crash", "freeze", "isolate", "wipe"])
        yield step(how, source, *([20] if how == "freeze" else []))
        yield step("pass", 5)
        yield step("start", source)

    def _half_a_transfer(self) -> Iterator[Step]:
        """Only half of a transfer is left of some views when a fold is due."""
        rng = self._rng
        if (split := self._two_sides()) is None:
            return
        (source, half), others = split
        yield step("isolate", source)
        yield step("burst", source, 14, 0.1)
        yield step("pass", 2)
        yield step("weather", "slow")
        yield step("heal")
        yield step("split", f"{source}{half}|{others}")
        yield step("pass", rng.choice([3, 5, 7, 9, 12]))
        yield step("split", f"{half}|{source}{others}")
        yield step("wipe", source)
        yield step("start", source)
        yield step("pass", 9)
        yield step("heal")
        yield step("pass", rng.choice([2, 3, 4, 6]))
        yield step("isolate", half)
        yield self._around_the_grace()
        yield step("heal")
        yield step("pass", 6)
        yield step("weather", "calm")

    def _folded_while_fetching(self) -> Iterator[Step]:
        """A slot is folded while a node fetches the base, part after part."""
        grace_h = self._world.setup.habits.grace_s / 3600
        node, other, empty = self._up(), self._up(), self._up()
        yield step("burst", node, 14, 0.3)
        yield step("view", other, self._video(), 1)
        yield step("pass", 1)
        yield step("crash", node)
        yield step("start", node)
        yield step("hours", 1.05 * grace_h + 0.01)
        yield step("crash", other)
        yield step("start", other)
        yield step("hours", grace_h - self._rng.choice([6, 15, 25]) / 3600)
        yield step("weather", self._rng.choice(["slow", "stormy", "stormy"]))
        yield step("wipe", empty)
        yield step("start", empty)
        yield step("pass", 60)
        yield step("weather", "calm")

    def _retired_while_held_up(self) -> Iterator[Step]:
        """A node is retired while it is cut off, and a node that is down delays the fold. Both come
        back at once, and the retired one goes on counting."""
        if (split := self._two_sides()) is None or not split[1]:
            return
        (retired, missing), others = split
        yield step("pass", 3)
        yield step("isolate", retired)
        yield step("pass", 9)
        yield step("crash", missing)
        yield step("retire", others[0], retired)
        yield step("hours", 1.1 * self._world.setup.habits.grace_s / 3600)
        yield step("weather", self._rng.choice(["slow", "slow", "late"]))
        yield step("start", missing)
        yield step("pass", self._rng.choice([0.5, 1, 1.5, 2, 2.5, 3]))
        yield step("burst", retired, 14, self._rng.choice([2, 6]))
        yield step("heal")
        yield step("pass", 8)
        yield step("weather", "calm")

    def _handed_over_late(self) -> Iterator[Step]:
        """The older of two processes was cut off. It comes back and hands over to one node alone,
        while a delayed fold is due and old frames arrive again."""
        if (split := self._two_sides()) is None or not split[1]:
            return
        (older, bridge), others = split
        missing = others[-1]
        yield step("crash", missing)
        yield step("isolate", older)
        yield step("twin", older)
        yield from self._some_views(older)
        yield step("pass", 9)
        yield from self._some_views(older)
        yield self._around_the_grace()
        yield step("start", missing)
        yield step("weather", self._rng.choice(["stormy", "doubling", "late", "slow"]))
        yield step("heal")
        yield step("bridge", f"{older}|{bridge}{others}", bridge)
        yield step("replays", others[0], 40, 10)
        yield step("pass", self._rng.choice([3, 8, 15]))
        yield step("heal")
        yield step("weather", "calm")
        yield step("pass", 9)

    def _side_retired_by_mistake(self) -> Iterator[Step]:
        """Two nodes are cut off. One dies for good, and only the other, the witness, has its last
        views. Both are dismissed; the witness comes back within its own grace, when that of the
        dead one is over; or too late."""
        rng, grace_h = self._rng, self._world.setup.habits.grace_s / 3600
        if (split := self._two_sides()) is None or not split[1]:
            return
        (dead, witness), others = split
        how = rng.choice(["retired", "retired first", "replaced", "hardly met", "has agreed"])
        yield step("view", dead, self._video(), 1)
        yield step("pass", 2)
        if how == "replaced":
            yield step("backup", witness)
        if how == "hardly met":
            # The others receive its hello, and not its first digest.
            witness = next((name for name in "fg" if self._is_new(name)), witness)
            yield step("weather", "slow")
            yield step("join", witness)
            yield step("pass", rng.choice([0.3, 0.6, 1]))
        if how == "has agreed":
            # It agrees, and then meets the one that it has agreed to forget.
            yield step("isolate", dead)
            yield step("view", dead, self._video(), 3)
            yield step("pass", 9)
            yield step("retire", others[0], dead)
            yield step("pass", 3)
            yield step("heal")
        # Not with `split`, which would take a process on a copy to the side of the witness.
        for here in (dead, witness):
            for there in (*others, witness + "+"):
                yield step("cut", here, there)
                yield step("cut", there, here)
        yield step("pass", 9)
        yield step("view", dead, video := self._video(), 3)
        yield step("pass", 3)
        yield step("weather", "calm")
        yield step("scrap", dead)
        # Another slot is folded with those of the dead one. Otherwise the base of the witness, when
        # it comes back, would be the larger one, and bring back what the fold has lost.
        yield step("view", others[0], video, 5)
        yield step("pass", 1)
        yield step("crash", others[0])
        yield step("start", others[0])
        yield step("pass", 4)
        yield step("retire", others[0], witness if how == "retired first" else dead)
        yield step("hours", grace_h * rng.choice([0.5, 1.1, 1.1, 1.4]))
        if how == "replaced":
            yield step("old-twin", witness)
        yield step("retire", others[0], witness)
        yield step("retire", others[0], dead)
        yield step("hours", grace_h * rng.choice([0.1, 0.5, 0.9, 1.2]))
        if rng.random() < 0.2:
            yield step("crash", others[0])
            yield step("start", others[0])
        yield step("heal")
        yield step("pass", 9)

    def _passers_by(self) -> Iterator[Step]:
        """Nodes come and go, each under a name of its own, until these names are forgotten. Some
        come back after that, and so do browsers that have seen them."""
        rng, number = self._rng, self._rng.randrange(2)
        names = [name for name in "hijklmnopqrstuvwxyz" if self._is_new(name)]
        late = []
        for name in names[: rng.randint(1, 4)]:
            yield step("join", name)
            yield step("pass", rng.choice([0.5, 3, 3]))
            yield from self._some_views(name)
            yield step("pass", rng.choice([0.3, 2]))
            yield step("look", number, 0, rng.choice([name, self._up()]), self._video())
            yield step("age", number)
            how = rng.choice(["leave", "leave", "crash", "isolate", "scrap"])
            yield step(how, name)
            yield step("pass", 9)
            if how != "leave":
                yield step("retire", self._up(), name)
                late.append(name)
                yield from self._some_views(name)
        if rng.random() < 0.3:
            yield self._partition()
        yield self._around_the_grace()
        yield step("heal") if rng.random() < 0.6 else self._short()
        yield self._around_the_retention()
        for name in late:
            yield step("start", name, rng.choice([0, 0, -1, IN_1970]))
        yield step("heal")
        yield from self._some_views(rng.choice(late) if late else self._up())
        yield step("pass", 6)
        yield step("revive", number, rng.randrange(100))
        yield step("look", number, 0, self._up(), self._video())

    def _alone_for_long(self) -> Iterator[Step]:
        """A node starts and meets nobody, or one other node that is cut off with it, until names
        are forgotten on the other side."""
        rng, spare = self._rng, self._world.setup.habits.spare_names
        names = [name for name in "hijklmnopqrstuvwxyz" if self._is_new(name)]
        if len(names) < 2 + spare:
            return
        alone, *passing = names[: 2 + spare]
        yield step("heal")
        for place in sorted(self._world.down):
            yield step("start", place)
        with_it = self._up() if rng.random() < 0.3 else ""
        known = {*self._world.up, *self._world.down, *passing} - {with_it}
        for place in filter(None, (alone, with_it)):
            for other in sorted(known - {place}):
                yield step("cut", place, other)
                yield step("cut", other, place)
        yield step("join", alone, *([] if rng.random() < 0.8 else [IN_1970]))
        yield step("pass", 3)
        yield from self._some_views(alone)
        others = [one.place for one in self._world.running() if one.place not in (alone, with_it)]
        for name in passing:
            yield step("join", name)
            yield step("pass", 4)
            yield step("leave", name)
        yield step("pass", 9)
        if with_it and others:
            yield step("retire", others[0], with_it)
        yield self._around_the_grace()
        yield self._around_the_retention()
        yield from self._some_views(alone)
        yield step("heal")
        yield from self._some_views(alone)
        yield step("pass", 9)

    def _around_the_retention(self) -> Step:
        retention_h = self._world.setup.habits.retention_s / 3600
        return step("hours", retention_h * self._rng.choice([0.5, 0.999, 1.001, 1.01, 2]) + 0.01)

    def _held_up(self) -> Iterator[Step]:
        """A bus holds up what is for one node, or for two, around the time when a fold is due. It
        then hands over at once what was true before."""
        rng, node, late = self._rng, self._up(), self._up()
        yield from self._some_views(node)
        yield step("crash", node)
        yield step("start", node)
        yield step("pass", 4)
        if rng.random() < 0.5:
            yield step("isolate", other := self._up())
            yield from self._some_views(other)
        yield self._around_the_grace()
        for place in {late, self._up()}:
            how, seconds = rng.choice([("lag", 5), ("lag", 20), ("lag", 60), ("delay", 9)])
            yield step(how, place, rng.randrange(2), seconds)
        yield from self._some_views(node)
        yield step("heal")
        yield step("pass", rng.choice([3, 10, 30]))
        yield from self._some_views(self._up())
        yield step(rng.choice(["crash", "drain", "deafen"]), node)
        yield step("pass", rng.choice([10, 30, 60]))

    def _closing_that_one_misses(self) -> Iterator[Step]:
        """A dead node is retired, and a node does not hear of that, although all else is the same
        at both. Its silence must hold the fold up."""
        rng, dead, teller, misses = self._rng, self._up(), self._up(), self._up()
        if len({dead, teller, misses}) < 3:
            return
        yield step("heal")
        yield step("weather", "calm")
        yield from self._some_views(dead)
        yield step("crash", dead)
        yield step("pass", rng.choice([12, 20]))
        yield step("cut", teller, misses)
        yield step("retire", teller, dead)
        yield step("pass", rng.choice([1.1, 2]))
        yield step("heal")
        yield self._around_the_grace()
        yield step("pass", rng.choice([3, 6, 12]))

    def _last_views(self) -> Iterator[Step]:
        """A node dies just after it has told only some of the others of its last views. From them
        the rest must get those views."""
        rng, dead = self._rng, self._up()
        others = [process.place for process in self._world.running() if process.place != dead]
        yield step("heal")
        yield step("weather", "calm")
        yield step("pass", 3)
        for other in rng.sample(others, len(others) // 2):
            yield step("cut", dead, other)
        yield step("view", dead, self._video(), rng.randint(1, 3))
        yield step("pass", rng.choice([0.3, 0.6]))
        yield step("crash", dead)
        yield step("pass", 12)
        yield step("rest")

    def _half_deaf(self) -> Iterator[Step]:
        """A node hears nothing, or is not heard, while others count, restart and fold."""
        rng, node = self._rng, self._up()
        yield step(rng.choice(["deafen", "mute"]), node)
        yield from self._some_views(node)
        yield from self._some_views(self._up())
        yield step("pass", rng.choice([1, 4, 9]))
        yield step("crash", other := self._up())
        yield step("start", other)
        yield self._around_the_grace()
        yield from self._some_views(node)
        yield step("heal")
        yield step("pass", 6)

    def _bridge_that_hears_one_side(self) -> Iterator[Step]:
        """A node was retired while it was cut off, comes back within its grace, and then dies for
        good. Only a bridge has heard it, and the bridge does not hear what the others ask."""
        rng, grace_h = self._rng, self._world.setup.habits.grace_s / 3600
        if (split := self._two_sides()) is None or not split[1]:
            return
        (witness, bridge), others = split
        dead = next((name for name in "fghij" if self._is_new(name)), others[-1])
        yield step("join", dead)
        yield step("pass", 4)
        yield step("view", dead, video := self._video(), 1)
        yield step("pass", 2)
        for here in (dead, witness):
            for there in (*others, bridge):
                yield step("cut", here, there)
                yield step("cut", there, here)
        yield step("pass", 9)
        yield step("view", dead, video, 3)
        yield step("pass", 3)
        yield step("scrap", dead)
        yield step("view", others[0], video, 5)
        yield step("pass", 1)
        yield step("crash", others[0])
        yield step("start", others[0])
        yield step("pass", 4)
        yield step("retire", others[0], dead)
        yield step("hours", grace_h * 0.5)
        yield step("retire", others[0], witness)
        yield step("hours", grace_h * rng.choice([0.8, 0.9, 0.95]))
        yield step("heal")
        for other in others:
            yield step("cut", witness, other)
            yield step("cut", other, witness)
            yield step("cut", other, bridge)
        yield step("pass", rng.choice([3, 5, 9]))
        yield step("scrap", witness)
        yield step("pass", 9)
        yield step("hours", grace_h * rng.choice([0.3, 1.1]))
        yield step("replays", others[0], 40, 10)
        yield step("pass", 12)
        yield step("heal")
        yield step("pass", 9)

    def _is_new(self, place: str) -> bool:
        return place not in self._world.started

    def _two_sides(self) -> tuple[list[str], str] | None:
        """Two running nodes, and the others, if any; None if there are fewer than two."""
        letters = [process.place for process in self._world.running() if len(process.place) == 1]
        self._rng.shuffle(letters)
        return (letters[:2], "".join(letters[2:])) if len(letters) > 1 else None

    def _clocks(self) -> Iterator[Step]:
        """A node starts again with its clock ahead, then set back."""
        node = self._up()
        for clock_h in (5.0, -1.0, IN_1970):
            yield from self._some_views(node)
            yield step("crash", node)
            yield step("start", node, clock_h)
            yield self._short()

    def _old_profile(self) -> Iterator[Step]:
        """A browser sleeps while nodes come and go, and then loads a snapshot from any of them."""
        number, node, video = self._rng.randrange(2), self._up(), self._video()
        yield step("look", number, 0, node, video)
        yield step("age", number)
        yield step("crash", node)
        yield step("start", node)
        # A thousand hours are longer than anything is kept. A year takes a run half a minute.
        yield step("hours", self._rng.choice([3, 500, 1000]))
        yield step("view", node, video, 1)
        yield step("revive", number, self._rng.randrange(100))
        yield step("look", number, 0, self._up(), video)

    def _stale_page(self) -> Iterator[Step]:
        """A tab that knows a fold is reloaded, and receives a snapshot from before the fold."""
        number, node, video = self._rng.randrange(2), self._up(), self._video()
        yield step("view", node, video, 2)
        yield step("pass", 2)
        yield step("look", number, 0, node, video)
        yield step("crash", node)
        yield step("start", node)
        yield step("hours", 1.05 * self._world.setup.habits.grace_s / 3600 + 0.01)
        yield step("look", number, 0, self._up(), video)
        yield step("reload", number, 0)
        yield step("again", number, 0, -2)

    def _bad_disk(self) -> Iterator[Step]:
        """A disk stalls or fails while views come, and then its process is killed or drained."""
        node = self._up()
        yield step("slow", node, self._rng.choice([1, 3, 8]))
        yield from self._some_views(node)
        yield step("fail", node, self._rng.randint(1, 5))
        yield step("burst", node, 6, 2)
        yield self._short()
        yield step(self._rng.choice(["crash", "drain", "leave", "twin"]), node)
        yield self._short()
        yield step("start", node)
        yield step("slow", node, 0)

    def _cut_while_folding(self) -> Iterator[Step]:
        """The network is partitioned while a fold is due."""
        node = self._up()
        yield from self._some_views(node)
        yield step("crash", node)
        yield step("start", node)
        yield self._short()
        yield self._partition()
        yield from self._some_views(self._up())
        yield self._around_the_grace()
        yield step("heal")
        yield step("pass", 5)

    def _churn(self) -> Iterator[Step]:
        """A node restarts again and again, faster than anything settles."""
        node = self._up()
        for _ in range(self._rng.randint(3, 6)):
            yield from self._some_views(node, 2)
            yield self._short()
            yield step(self._rng.choice(["crash", "crash", "drain"]), node)
            yield step("start", node)
