"""Mutants: breaks the core on purpose, to see that the simulation notices.

Each mutant is a small edit of a copy of the core. The simulation must fail with every one of them.
If it passes with one, some invariant isn't really checked. A few break only what chance hardly ever
reaches: these name the file of tests that must fail instead.

    python -m simulation.mutants [NAME ...]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

import ratchet

CORE: Final = Path(ratchet.__file__).parent
TESTS: Final = Path(__file__).parents[1]
# A mutant that survives so many runs has got away.
RUNS: Final = 1500


class Mutant(NamedTuple):
    """One breakage: in `module`, `old` (found exactly once) becomes `new`. `tests` must fail with
    it, or the simulation if that is empty."""

    name: str
    module: str
    old: str
    new: str
    tests: str = ""


class Verdict(NamedTuple):
    """The result for one mutant. `which`: the invariant that it broke, or the tests that have
    failed; None if it got away."""

    mutant: Mutant
    which: str | None
    runs: int
    took_s: float
    text: str


MUTANTS: Final = (
    Mutant(
        "browsers merge by sum",
        "counter",
        "slots[slot] = max(n, slots.get(slot, 0))",
        "slots[slot] = n + slots.get(slot, 0)",
    ),
    Mutant(
        "nodes merge by sum",
        "column",
        "            video, views, seq = row\n            at =",
        "            video, views, seq = row\n"
        "            views += self.views(video)\n"
        "            at =",
    ),
    Mutant(
        "lift without removing the slot, in browsers",
        "counter",
        "self.base + lifted, MAX_COUNT), slots=kept)",
        "self.base + lifted, MAX_COUNT))",
    ),
    Mutant(
        "lift without removing the slot, in nodes",
        "table",
        "self.lifting[slot] = self.columns.pop(slot)",
        "self.lifting[slot] = self.columns[slot]",
    ),
    Mutant(
        "fold without the barrier",
        "folding",
        "obstacles = tuple(_obstacles(view, ripe[-1]))",
        "obstacles = tuple[Obstacle, ...]()",
    ),
    Mutant(
        "fold within the grace",
        "replica",
        "        self.me = me\n",
        "        from dataclasses import replace\n"
        "        self.me = me\n"
        "        options = replace(options, grace_s=options.grace_s / 2)\n",
    ),
    Mutant(
        "slot reused after a restart",
        "tenure",
        "Slot(node, new_generation(opened_ms, self._chance, newest))",
        "Slot(node, newest or new_generation(opened_ms, self._chance, newest))",
    ),
    Mutant(
        "rows visible before they are durable",
        "journal",
        "            columns.append(self._own_rows)\n",
        "            columns.append(self._own_rows)\n"
        "            self._table.column(own).merge(self._own_rows.rows)\n"
        "            self._table.changed.update(row.video for row in self._own_rows.rows)\n",
    ),
    Mutant(
        "digest advanced past a gap",
        "talk",
        "if frame.start > table.complete(slot) and not transfer:",
        "if False:",
    ),
    Mutant(
        "base not exchanged",
        "talk",
        "if peer.base_due and settled and theirs.folded == table.folded:",
        "if False:",
    ),
    Mutant(
        "a slot goes on over midnight",
        "tenure",
        "elif self._is_over() and self._move(Event.MIDNIGHT):",
        "elif False:",
    ),
    Mutant(
        "days not exchanged",
        "talk",
        "following = table.days.after(day)",
        "following = None",
    ),
    Mutant(
        "days merged by sum",
        "days",
        "return self._column(day).merge(some) if some and self.keeps(day) else []",
        "[self._column(day).add(*each) for each in some if self.keeps(day)]\n"
        "        return [video for video, _ in some]",
    ),
    Mutant(
        "forgotten days come back",
        "days",
        "return day is not None and day >= self.first",
        "return day is not None",
    ),
    Mutant(
        "a lift forgets the day",
        "table",
        "self.days.add(lift.day, video, views)",
        "pass",
    ),
    Mutant(
        "bases of different folds are merged",
        "talk",
        "if self._table.lifting or frame.folded != self._table.folded:",
        "if False:",
    ),
    Mutant(
        "browser stores counters without `folded`",
        "passive",
        "{**snapshot.encode(now), **extra}",
        '{**snapshot.encode(now), **extra, "folded": snapshot.parse(stored_folded or "{}")}',
    ),
    Mutant(
        "digests claim what is not on disk",
        "talk",
        "return Extent(column.durable, ",
        "return Extent(column.complete, ",
    ),
    Mutant(
        "counts moved to a new slot",
        "tenure",
        "        newest = max(table.newest[node], table.newest.placeholder)\n",
        "        for row in table.columns.get(table.own, ()) if table.own else ():\n"
        "            self._journal.count(row.video, row.views, answered=False)\n"
        "        newest = max(table.newest[node], table.newest.placeholder)\n",
    ),
    Mutant(
        "a chunk claims before the last has arrived",
        "talk",
        "            complete = self._transfers.advance(transfer, frame, now)",
        "            complete = self._transfers.advance(transfer, frame, now) or frame.complete",
    ),
    Mutant(
        "fingerprints ignored in the barrier",
        "folding",
        "if any(ours != theirs or ours.fingerprint is None for ours, theirs in pairs):",
        "if False:",
    ),
    Mutant(
        "fold although a peer doesn't know of the closing",
        "folding",
        "if digest is None or not digest.closed.covers(last):",
        "if digest is None:",
    ),
    Mutant(
        "missing members don't delay a fold",
        "folding",
        "    for node, silent_s in view.missing_s.items():\n        yield",
        "    for node, silent_s in {}.items():\n        yield",
    ),
    Mutant(
        "closed at once means no member",
        "folding",
        "    for node, left_s in _awaited_s(view, last).items():\n        yield",
        "    for node, left_s in {}.items():\n        yield",
    ),
    Mutant(
        "a new process of a name speaks for the one that it replaces",
        "members",
        "            if (left_s := since + self._grace_s - now) > 0 and not",
        "            newest = self._table.newest[slot.node] == slot.generation\n"
        "            if newest and (left_s := since + self._grace_s - now) > 0 and not",
    ),
    Mutant(
        "a digest from before the grace was over is an agreement",
        "folding",
        "was_ripe = view.closed_s[last] - age_s >= view.grace_s",
        "was_ripe = True",
    ),
    Mutant(
        "a hello makes no member",
        "cluster",
        "            self._journal.join({node: newest.placeholder})\n",
        "            return\n",
    ),
    Mutant(
        "the living may be retired",
        "members",
        "if any(alive.node == node for alive in self._peers.alive().values()):",
        "if False:",
    ),
    Mutant(
        "the first part of a lift is taken for the last",
        "journal",
        "last=len(videos) == len(column)",
        "last=True",
    ),
    Mutant(
        "a lifted part is added to the base before it is on disk",
        "journal",
        "            videos = column.last(room)\n",
        "            videos = column.last(room)\n"
        "            for video in videos:\n"
        "                self._table.base.add(video, column.views(video))\n",
    ),
    Mutant(
        "a half lifted slot is forgotten at a start",
        "table",
        "self.lifting.setdefault(slot, Column(slot)).merge(rows)",
        "self.base.merge((row.video, row.views) for row in rows)",
    ),
    Mutant(
        "failed writes are forgotten",
        "journal",
        "            if change is not own and not any(change is each for each in brought):",
        "            if False:",
    ),
    Mutant(
        "a closed slot counts on",
        "tenure",
        "(self._newer_known() or self._closed())",
        "self._newer_known()",
    ),
    Mutant(
        "rows are handed over to a peer that leaves, too",
        "holdings",
        "[peer for peer in self._peers if peer.slot and not self._table.is_closed(peer.slot)]",
        "[peer for peer in self._peers if peer.slot]",
    ),
    Mutant(
        "nothing is handed over before the end",
        "holdings",
        "        rows += not self._base_shared(staying)\n",
        "        rows = 0\n",
    ),
    Mutant(
        "rows are confirmed before they are on disk",
        "talk",
        "        if column.durable < column.complete:\n"
        "            return []\n"
        "        have = Have(slot, column.durable)",
        "        have = Have(slot, column.complete)",
    ),
    Mutant(
        "names are forgotten although a member is missing",
        "cluster",
        "if len(gone) > self._spare_names and self._sees_everybody(now):",
        "if len(gone) > self._spare_names:",
    ),
    Mutant(
        "names are forgotten within the retention",
        "cluster",
        "int(self._retention_s * 1e6)",
        "int(self._retention_s / 2 * 1e6)",
    ),
    Mutant(
        "a floor without exceptions",
        "forgetting",
        "max(generations[node], 0) for node in listed}",
        "generations[node] for node in listed if generations[node] > floor}",
    ),
    Mutant(
        "a join takes what a map lists, and not its floor",
        "generations",
        "for node, n in self.items() if n < floor and node not in theirs]",
        "for node, n in self.items() if False]",
    ),
    Mutant(
        "a floor folds nothing",
        "generations",
        "return slot.generation <= self[slot.node]",
        "return slot.generation <= self.get(slot.node, NOTHING)",
    ),
    Mutant(
        "a pulse that is not understood leaves the evidence as it was",
        "peers",
        "return self.digest if fresh and self.riddle is None else None",
        "return self.digest",
    ),
    Mutant(
        "an old digest or pulse replaces a newer one",
        "peers",
        "        return number > last\n",
        "        return True\n",
    ),
    Mutant(
        "a hash says nothing of the closings",
        "pulses",
        "text = codec.encode(rest, PULSES_SINCE, in_order=True)",
        "known = dict(newest=rest.newest, closed=rest.newest)\n"
        "    text = codec.encode(replace(rest, **known), PULSES_SINCE, in_order=True)",
    ),
    Mutant(
        "closed slots are left out of the rest, too",
        "pulses",
        "        if slot not in spoken_for or digest.closed.covers(slot)\n",
        "        if False\n",
    ),
    Mutant(
        "slots of processes that are gone are left out of the rest",
        "pulses",
        "        if slot not in spoken_for or digest.closed.covers(slot)\n",
        "        if digest.closed.covers(slot)\n",
    ),
    Mutant(
        "equal claims of different rows are believed",
        "talk",
        "            sends += self._doubt(slot, extent, process, now)\n",
        "",
    ),
    Mutant(
        "a retry counts at once",
        "retries",
        "        if first and not is_promised and not self._is_new():\n",
        "        if not is_promised and not self._is_new():\n",
    ),
    Mutant(
        "a promise is not written",
        "retries",
        '            "promised": frozenset(self._writing.promised),\n',
        "",
    ),
    Mutant(
        "a promise is sent before it is written",
        "retries",
        "        if self._next:\n            return []\n",
        "",
    ),
    Mutant(
        "pending views are forgotten in a crash",
        "retries",
        "            if pending:\n                self.pending[key]",
        "            if False:\n                self.pending[key]",
    ),
    Mutant(
        "a key is forgotten before all could ask for it",
        "inquiries",
        "        return max(limit, self._heard_at - HEARD_S if others else now)",
        "        return now",
        "test_retries.py",
    ),
    Mutant(
        "nobody waits for those who are missing",
        "inquiries",
        "        self._missing = {node for node in missing if not is_import(node)}",
        "        self._missing = set[str]()",
    ),
    Mutant(
        "nobody waits for those who were dismissed",
        "inquiries",
        "        missing |= {one.node for one in dismissed if not self._has_left(one.slot)}\n",
        "",
        "test_retries.py",
    ),
    Mutant(
        "both of two rivals count",
        "inquiries",
        "        return not ours.behind and (word, process) > (ours.by, self._me.process)",
        "        return not ours.behind",
    ),
    Mutant(
        "who has promised a key is a rival",
        "retries",
        "        behind = key in known or key in self._next.promised\n",
        "        behind = False\n",
    ),
    Mutant(
        "who waits behind others counts when they are silent",
        "retries",
        "            if pending.behind:\n",
        "            if False:\n",
    ),
    Mutant(
        "answers count of those who know other members",
        "retries",
        "if question.names == self._names() and process in self._peers.by_process:",
        "if process in self._peers.by_process:",
        "test_retries.py",
    ),
    Mutant(
        "answers count of those who do not know who is back",
        "retries",
        "entry(node, 1 + table.is_gone(node))",
        "entry(node, 1)",
        "test_retries.py",
    ),
    Mutant(
        "who takes over may be a rival",
        "retries",
        "video, views, behind=True)",
        "video, views, behind=False)",
        "test_handing_over_keys.py",
    ),
    Mutant(
        "who leaves tells nobody what it has counted",
        "handover",
        "return self._send([*counted])",
        "self._left.clear(); return []",
    ),
    Mutant(
        "who has said farewell had counted for ever",
        "inquiries",
        "return slot is not None and self._farewells.covers(slot)",
        "return slot is not None and self._farewells[slot.node] >= 0",
        "test_handing_over_keys.py",
    ),
    Mutant(
        "nobody is asked again after a name has gone",
        "inquiries",
        "if gone := self._awaited - awaited:",
        "if gone := set[Slot]():",
        "test_handing_over_keys.py",
    ),
    Mutant(
        "who is back on an empty disk answers for the process before it",
        "inquiries",
        "Slot(node, newest[node]) for node in names",
        "Slot(node, 0) for node in names",
        "test_handing_over_keys.py",
    ),
    Mutant(
        "who says farewell does not say whom it has met",
        "replica",
        "sends + self.retries.handover.farewell(",
        "self.retries.handover.farewell(",
        "test_handing_over_keys.py",
    ),
    Mutant(
        "keys are always offered to the same one",
        "handover",
        "taker(self._turn, HANDOVER_SINCE)",
        "taker(0, HANDOVER_SINCE)",
        "test_handing_over_keys.py",
    ),
    Mutant(
        "a new name counts first attempts at once",
        "retries",
        "if first and not is_promised and not self._is_new():",
        "if first and not is_promised:",
        "test_retries.py",
    ),
    Mutant(
        "a process that was stopped is no longer new",
        "retries",
        "unknown = slept or (is_back",
        "unknown = (is_back",
        "test_retries.py",
    ),
    Mutant(
        "one that had left, and is back, counts alone",
        "retries",
        "slept or (is_back and not self._peers.by_process)",
        "slept",
        "test_handing_over_keys.py",
    ),
    Mutant(
        "who leaves takes pending views along",
        "replica",
        " + len(self.retries.pending)",
        "",
        "test_handing_over_keys.py",
    ),
    Mutant(
        "a view that was handed over counts here, too",
        "retries",
        "                    self._next.pending[key] = None\n"
        "                    self._next.promised.add(key)\n",
        "                    pass\n",
        "test_handing_over_keys.py",
    ),
)


class NoSuchText(Exception):
    """The core has changed. The mutant must change with it."""


@contextmanager
def broken_core(mutant: Mutant) -> Iterator[Path]:
    """A folder for PYTHONPATH, with a copy of the core that has this breakage."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "ratchet"
        shutil.copytree(CORE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        module = copy / f"{mutant.module}.py"
        source = module.read_text("utf-8")
        if (found := source.count(mutant.old)) != 1:
            raise NoSuchText(f"{mutant.name}: found {found} times in {mutant.module}.py")
        module.write_text(source.replace(mutant.old, mutant.new), "utf-8")
        yield Path(folder)


def hunt(mutant: Mutant, runs: int = RUNS, seed: int = 0) -> Verdict:
    """Run the simulation, or the mutant's tests, on a core with this breakage."""
    if mutant.tests:
        return _test(mutant)
    begun = monotonic()
    command = [sys.executable, "-m", "simulation", "--jobs", "1", "--json", "--shrink", "0"]
    with broken_core(mutant) as folder:
        done = subprocess.run(
            [*command, "--runs", str(runs), "--seed", str(seed)],
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    if not done.stdout:
        return Verdict(mutant, "start", 0, monotonic() - begun, done.stderr[-300:])
    outcome = json.loads(done.stdout.splitlines()[-1])
    text = outcome.get("text", "")
    return Verdict(mutant, outcome.get("broken"), outcome["runs"], monotonic() - begun, text)


def _test(mutant: Mutant) -> Verdict:
    begun = monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutant.tests]
    with broken_core(mutant) as folder:
        env = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run(
            command, cwd=TESTS, env=env, capture_output=True, text=True, check=False
        )
    lines = done.stdout.splitlines() or [done.stderr]
    failed = [line for line in lines if line.startswith("FAILED ")]
    # (If tests can't even begin, the mutant doesn't fit.)
    which = "tests" if done.returncode == 1 and failed else None
    return Verdict(mutant, which, 1, monotonic() - begun, failed[0] if failed else lines[-1])


def main() -> int:
    """Hunt all mutants, or those whose names are given; print which invariant caught each."""
    parser = argparse.ArgumentParser("python -m simulation.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names; without any, all mutants")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"at most, for each mutant ({RUNS})")
    parser.add_argument("--jobs", type=int, default=2, help="mutants hunted side by side (2)")
    options = parser.parse_args()
    mutants = [m for m in MUTANTS if not options.names or any(n in m.name for n in options.names)]
    print(f"{'breakage':<58} {'caught by':<10} {'runs':>5} {'s':>6}  message")
    away = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for verdict in pool.map(lambda mutant: hunt(mutant, options.runs), mutants):
            # A mutant that only crashes broke no invariant: it doesn't fit the core any more.
            away += verdict.which in (None, "crash")
            print(
                f"{verdict.mutant.name:<58} {verdict.which or 'GOT AWAY':<10} {verdict.runs:>5} "
                f"{verdict.took_s:>6.1f}  {verdict.text[:100]}",
                flush=True,
            )
    print(f"{len(mutants) - away} of {len(mutants)} were caught.")
    return 1 if away else 0


if __name__ == "__main__":
    sys.exit(main())
