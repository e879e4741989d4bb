"""What to do when the cluster needs an operator, with the command that mends it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ratchet.cluster import LARGE
from ratchet.names import is_import
from ratchet.observation import Observation

from ratchet_server.open_files import HOW_TO_RAISE
from ratchet_server.operator.facts import Facts
from ratchet_server.operator.folds import Fold
from ratchet_server.operator.humanize import counted, duration, listed
from ratchet_server.operator.members import Member
from ratchet_server.operator.pending import LONG_S, is_long, waits_for

# What keeps names from becoming many.
_LASTING: Final = (
    "Give each node a lasting name (--name) and its data folder a lasting place: a container "
    "without them is a new node at each start. Names that have gone are forgotten "
    "RATCHET_FORGET_AFTER seconds after their start, but only while no node is missing."
)

# An import gets its next rows sooner.
_IMPORT_S: Final = 60.0

# Nodes that start together may need this long to find each other.
EARLY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. If a command does it, the text ends with a colon before it."""

    text: str
    command: str | None = None

    def __str__(self) -> str:
        return self.text if self.command is None else f"{self.text} {self.command}"


def advice(
    seen: Observation, members: Sequence[Member], folds: Sequence[Fold], facts: Facts
) -> tuple[Advice, ...]:
    """What to do, the most pressing first; empty when all is well. `members` and `folds` are those
    of `seen`. `members` begins with this node."""
    here = seen.node
    return (
        *_crowded_out(here, seen),
        *_misunderstood(here, facts),
        *_deaf(here, facts),
        *_missing(seen, members, folds, facts),
        *_silent(seen, facts),
        *_importing(members, facts),
        *_indirect(here, members),
        *_twice(members),
        *_refused(here, facts),
        *_unready(facts.unready),
        *_strangers(here, facts),
        *_unreached(here, facts.unreached),
        *_registries(here, facts),
        *_alone(seen, facts),
        *_full(here, facts),
        *_many_names(seen),
    )


def _crowded_out(here: str, seen: Observation) -> Iterator[Advice]:
    if seen.digest_fill > 1:
        yield Advice(
            f"{here} lists {_names(seen)}, more than one message between nodes can hold. The "
            "nodes go on counting and sending each other new views, but a node that is new or was "
            f"away can't get all counts. {_LASTING}"
        )


def _many_names(seen: Observation) -> Iterator[Advice]:
    if LARGE <= seen.digest_fill <= 1:
        yield Advice(
            f"{_names(seen)} fill {seen.digest_fill:.0%} of the largest message between nodes. "
            f"When it is full, new nodes can't get all counts any more. {_LASTING}"
        )


def _names(seen: Observation) -> str:
    return f"{counted(len(seen.newest.names()), 'name')} of nodes"


def _misunderstood(here: str, facts: Facts) -> Iterator[Advice]:
    for node, why in facts.misunderstood.items():
        yield Advice(
            f"{here} and {node} break off each connection: {node} {why}. Look at the clocks of "
            "both machines (date -u). If they are right, one node's data has to be repaired: see "
            '"Numbers that can\'t be true" in OPERATING.md.'
        )


def _deaf(here: str, facts: Facts) -> Iterator[Advice]:
    for one in facts.deaf:
        yield Advice(
            f"{here} has heard nobody on {one.bus} for {duration(one.since_s)}: the bus {one.why}. "
            "Each node counts on, and they send each other the rest when it is back. See whether "
            f"the bus runs, and whether {here} reaches it with this login."
        )


def _missing(
    seen: Observation, members: Sequence[Member], folds: Sequence[Fold], facts: Facts
) -> Iterator[Advice]:
    here = seen.node
    # These nodes are there, and must not be retired.
    missing = {
        one.node: one
        for one in members
        if one.state == "missing" and one.node not in facts.misunderstood
    }
    present = {one.node for one in members if one.state != "importing"} - missing.keys()
    # Otherwise a node that is cut off itself would advise to retire all others.
    cut_off = len(missing) > len(present)
    for node, one in missing.items():
        text = f"{node} has been missing for {duration(facts.now - (one.since or facts.now))}."
        if names := [fold.node for fold in folds if _blocks(node, fold)]:
            text += f" Until it is, no closed slots of {listed(names)} can be folded."
        if node in seen.pending.awaited:
            text += " Views are pending until it is back, or is retired and its grace is over."
        if cut_off:
            yield Advice(text)
        else:
            text += " Start it again, or mend its network. If it won't come back:"
            yield Advice(text, f"ratchet retire {node} --via {facts.via}")
    if cut_off:
        yield Advice(
            f"{here} can't hear most of the cluster ({listed(list(missing))}): perhaps {here} "
            "itself is cut off. Look at the network, and ask the other nodes how they see it, "
            "before you retire any of them."
        )


def _silent(seen: Observation, facts: Facts) -> Iterator[Advice]:
    connected = {one.member.node for one in seen.members if one.member.state == "connected"}
    names = waits_for(seen)
    if names and connected.issuperset(names) and is_long(seen, facts.now):
        it, runs = ("it", "runs") if len(names) == 1 else ("they", "run")
        yield Advice(
            f"{listed(names)} can be reached, but for {duration(LONG_S)} or longer "
            f"{it} did not say what {seen.node} asks about its pending views. If {it} {runs} an "
            "older release, upgrade. Otherwise see what the log says, and whether the disk is full."
        )


def _importing(members: Sequence[Member], facts: Facts) -> Iterator[Advice]:
    for one in members:
        if one.state == "importing" and facts.now - (one.since or facts.now) > _IMPORT_S:
            yield Advice(
                f"The import {one.node} has not ended, and has got nothing for "
                f"{duration(facts.now - (one.since or facts.now))}. Until it ends, no closed slots "
                "are folded. Import its file again: that sends what is missing. To end it as it "
                "is:",
                f"ratchet retire {one.node} --via {facts.via}",
            )


def _blocks(node: str, fold: Fold) -> bool:
    return any(one.kind == "missing" and one.node == node for one in fold.obstacles)


def _indirect(here: str, members: Sequence[Member]) -> Iterator[Advice]:
    for one in members:
        if one.state == "indirect":
            text = (
                f"{one.node} is alive, but {here} and {one.node} are not connected: {here} hears "
                f"of it only through other nodes. Let them reach each other, with the same secret."
            )
            if one.url:
                text += (
                    f" {one.node} reports that peers reach it at {one.url}. See how it sees the "
                    "cluster:"
                )
                yield Advice(text, f"ratchet status {one.url}")
            else:
                yield Advice(f"{text} The address of {one.node} is not known.")


def _twice(members: Sequence[Member]) -> Iterator[Advice]:
    alive = [one.node for one in members if one.state != "missing"]
    for node in dict.fromkeys(alive):
        if alive.count(node) > 1:
            yield Advice(
                f"{alive.count(node)} processes run under the name {node}. The newest goes on; the "
                "older hands over its views and stops by itself. If you did not start it: find out "
                "what does, and give that node a name of its own."
            )


def _refused(here: str, facts: Facts) -> Iterator[Advice]:
    for url, status in facts.refusing.items():
        yield Advice(
            f"A node at {url} refuses {here} ({status}), so they are not connected there. Give "
            "both the same secret (--secret-file); or take the address out of --peer, if the node "
            "is not of this cluster."
        )


def _unready(urls: Sequence[str]) -> Iterator[Advice]:
    for url in urls:
        yield Advice(
            f"The node at {url} is not ready (503). If it is still reading its data, wait. "
            "Otherwise look at its log, or take the address out of --peer."
        )


def _strangers(here: str, facts: Facts) -> Iterator[Advice]:
    for one in facts.strangers:
        yield Advice(
            f"{one.node} ({one.url or 'at an unknown address'}) is of another cluster, "
            f"{one.cluster}, so {here} and {one.node} don't talk. If it should not be here, take "
            "its address out of --peer, or give the other cluster another secret. If the two "
            "should be one cluster, join them. Their counts are then added up, for good:",
            f"ratchet join {one.url or 'URL'} --via {facts.via}",
        )


def _unreached(here: str, urls: Sequence[str]) -> Iterator[Advice]:
    for url in urls:
        yield Advice(
            f"Nobody has ever answered {here} at {url}. If a node should be there: does it run, is "
            "the address right, and is the network open? If not, take it out of --peer, or out of "
            "the registry."
        )


def _registries(here: str, facts: Facts) -> Iterator[Advice]:
    for one in facts.registries:
        if one.why is not None:
            yield Advice(
                f"For {duration(facts.now - (one.since or facts.now))}, {one.url} has not been of "
                f"use to {here}: it {one.why}. The nodes that have met go on without it, but a new "
                f"node can't be found there. Start it, or mend the network between it and {here}."
            )


def is_alone(seen: Observation, facts: Facts) -> bool:
    """Whether this node was sent to others, and has never heard of any."""
    known = {one.member.node for one in seen.members} | {*seen.newest.names()}
    nodes = {name for name in known if not is_import(name)}
    return bool(facts.given or facts.registries) and nodes <= {seen.node}


def _alone(seen: Observation, facts: Facts) -> Iterator[Advice]:
    here = seen.node
    early = facts.now - facts.started < EARLY_S
    explained = facts.unreached or facts.unready or facts.refusing or facts.strangers
    failing = any(one.why is not None for one in facts.registries)
    if is_alone(seen, facts) and not (early or explained or failing):
        places = [*(["--peer"] if facts.given else []), *(one.url for one in facts.registries)]
        yield Advice(
            f"{here} has met no other node, though it looks for them ({listed(places)}). If it is "
            "the first one, start the others. If they run, let all look at the same place, and "
            f"see what the log of {here} says."
        )


def _full(here: str, facts: Facts) -> Iterator[Advice]:
    if facts.full:
        yield Advice(
            f"{here} has no room for more connections, and has refused some in the last minute. If "
            f"so many people watch, {HOW_TO_RAISE}. If they do not, find out who connects."
        )
