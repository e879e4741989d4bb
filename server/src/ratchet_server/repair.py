"""`ratchet repair`: takes wrong numbers out of the data of a node that doesn't run.

First it only shows what the data has, and what would change. See `counting.plan` for the rules.
"""

import asyncio
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from ratchet import names
from ratchet.bounds import Bounds, Fault
from ratchet.changes import Changes, Pending
from ratchet.column import Row
from ratchet.names import Invalid
from ratchet.slot import Slot
from ratchet.table import Table

from ratchet_server.counting import datadir
from ratchet_server.counting.contents import BASE, contents, counted
from ratchet_server.counting.datadir import DATABASE, DataError, InUse
from ratchet_server.counting.failures import NothingWritten
from ratchet_server.counting.plan import Plan, PlanError, columns_of
from ratchet_server.counting.store import Store
from ratchet_server.output import answer, say

# How many rows of one slot, and how many faults, are shown.
_SHOWN: Final = 5
_FAULTS_SHOWN: Final = 20
# Rows in one transaction of the new file.
_ROWS_AT_ONCE: Final = 10_000


class RepairError(Exception):
    """The data can't be repaired, or not like this. The message says why, and how to mend it."""


def plan(drop: Sequence[str], rename: Sequence[str], numbers: Sequence[str]) -> Plan:
    """The plan in the arguments of the command. Raises `RepairError`."""
    try:
        return Plan(
            names=frozenset(names.node(text) for text in drop if "@" not in text),
            slots=frozenset(_slot(text) for text in drop if "@" in text),
            renamed=dict(_renamed(text) for text in rename),
            numbers=dict(_number(text) for text in numbers),
        )
    except Invalid as error:
        raise RepairError(str(error)) from None


def run(folder: Path, wanted: Plan, *, do: bool) -> None:
    """Show what the repair of the data in `folder` means; with `do`, do it. Raises `RepairError`
    and `OutputError`."""
    path = folder / DATABASE
    try:
        owner = path.stat().st_uid
    except OSError as error:
        raise RepairError(
            f"can't read {path}: {error.strerror}; name the folder that the node has as its "
            "--data, and run this as the node's user"
        ) from None
    if owner != os.geteuid():
        raise RepairError(
            f"{path} belongs to another user, who could not read the new file: run this as that "
            f"user (sudo -u '#{owner}' …)"
        )
    try:
        with datadir.locked(folder):
            asyncio.run(_repair(path, wanted, do=do))
    except InUse as error:
        raise RepairError(
            f"the node of {folder} runs (pid {error.pid}): stop all nodes of the cluster first"
        ) from None
    except (DataError, PlanError) as error:
        raise RepairError(str(error)) from None


async def _repair(path: Path, wanted: Plan, *, do: bool) -> None:
    bounds = Bounds(lambda: time.time_ns() // 1_000_000)
    latest = bounds.latest
    clock = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    if latest is None:
        raise RepairError(f"this machine's clock shows {clock}: set it first")
    store = await Store.open(path)
    try:
        table, pending = Table(), dict[str, Pending | None]()
        async for part in store.load():
            table.restore(part)
            pending |= part.pending
        wanted.check(table, latest)
        mended = wanted.apply(table, latest)
        changes = [*_changes(table, mended, wanted)]
        faults = [*islice(bounds.faults(mended), _FAULTS_SHOWN)]
        lines = [f"{path}, at {clock} by this machine's clock", ""]
        lines += [*_damage(store), *contents(table), ""]
        lines += ["What changes:", *changes] if changes else ["Nothing changes."]
        if absent := [*_absent(table, wanted)]:
            lines += ["", "What is not in this data:", *absent]
        if faults:
            lines += ["", "What still can't be true, and how to mend it:"]
        for fault in faults:
            lines += [f"  {fault.text}", f"      {_remedy(fault, table, latest)}"]
        if changes and not faults and not do:
            lines += ["", "Nothing has changed yet. Add --yes to do it."]
        answer("\n".join(lines))
        if faults:
            raise RepairError(
                "nothing has changed, because other nodes would go on refusing this one: add what "
                "is proposed above, or set this machine's clock if it is wrong"
            )
        if changes and do:
            everything = (*mended.everything(_ROWS_AT_ONCE), Changes(pending=pending))
            old = await _write(store, everything)
            say(
                f"\nDone. The data as it was is {old}. Repair all other nodes in the same way, and "
                "start none before: a node with the old data would bring it back."
            )
    finally:
        await store.close()


async def _write(store: Store, everything: Iterable[Changes]) -> Path | None:
    try:
        return await store.renew(everything, "repaired")
    except NothingWritten as error:
        raise RepairError(
            f"nothing has changed: can't write a new file beside {DATABASE}; is there room? {error}"
        ) from None


# -- what there is -----------------------------------------------------------------------------


def _damage(store: Store) -> Iterator[str]:
    for damage in store.damage:
        yield f"damaged, and left out: {damage}"


# -- what changes ------------------------------------------------------------------------------


def _changes(before: Table, after: Table, wanted: Plan) -> Iterator[str]:
    there = columns_of(before)
    for slot, column in sorted(there.items(), key=lambda each: each[0]):
        to = wanted.renamed.get(slot, slot)
        kept = columns_of(after).get(to)
        if kept is None:
            most = sorted(column, key=lambda row: row.views, reverse=True)
            rest = f" and {len(most) - _SHOWN:,} more" if len(most) > _SHOWN else ""
            top = ", ".join(f"{row.video} {row.views:,}" for row in most[:_SHOWN])
            yield f"  {slot} goes, with {counted(column.total, len(column))}: {top}{rest}"
            continue
        if to != slot:
            yield f"  {slot} becomes {to}, with {counted(kept.total, len(kept))}"
        yield from _numbers(str(to), {row.video: row.views for row in column}, kept)
        if kept.complete < column.complete:
            yield f"  {to} claims no changes any more, and the other nodes send it what they have"
    after_base = [Row(video, views, 0) for video, views in after.base]
    yield from _numbers("the base", dict(before.base), after_base)
    for what, old, new in (
        ("known", before.newest, after.newest),
        ("closed", before.closed, after.closed),
        ("folded", before.folded, after.folded),
    ):
        for node in sorted(old):
            if old[node] != new.get(node):
                now = f"{node}@{new[node]}" if node in new else "none"
                yield f"  {what} slots of {node}: {now}, not {node}@{old[node]}"
    for node, views in sorted(before.lifted_views.items()):
        if node not in after.lifted_views:
            yield f"  of {node}, {views:,} views had been moved into the base: they stay there"
    if after.days.first < before.days.first:
        yield "  the first day that is kept: chosen anew, as the clock was ahead"
    if gone := sum(1 for _ in before.days) - sum(1 for _ in after.days):
        yield f"  views by day: {gone:,} entries go, and change no number of views"


def _absent(table: Table, wanted: Plan) -> Iterator[str]:
    there = columns_of(table)
    for slot in sorted({*wanted.slots, *wanted.renamed} - there.keys()):
        yield f"  {slot}"
    for node in sorted(wanted.names - table.newest.keys() - {slot.node for slot in there}):
        yield f"  {node}"
    for place, video in wanted.numbers:
        if place is not None and (place not in there or not there[place].views(video)):
            yield f"  {video} in {place}"


def _numbers(place: str, old: Mapping[str, int], new: Iterable[Row]) -> Iterator[str]:
    now = {row.video: row.views for row in new}
    for video in sorted({*old, *now}):
        if old.get(video, 0) != now.get(video, 0):
            yield f"  {place}: {video} {now.get(video, 0):,}, not {old.get(video, 0):,}"


def _remedy(fault: Fault, table: Table, latest: int) -> str:
    place, video, _ = fault
    if video is not None:
        where = place or BASE
        drop = f", or --drop {where}" if place else ""
        return f"--set {where}/{video}=VIEWS, with the right number{drop}"
    slot = place
    # What else can't be true is put right by the plan.
    assert isinstance(slot, Slot)
    node = slot.node
    slots = sorted(each for each in columns_of(table) if each.node == node)
    maps = [max(entries[node], 0) for entries in (table.newest, table.closed, table.folded)]
    known = [n for n in (*(each.generation for each in slots), *maps) if n <= latest]
    future = [each for each in slots if each.generation > latest]
    new = Slot(node, max(known, default=0) + 1 + future.index(slot))
    return f"--rename {slot}={new} keeps its views, --drop {slot} takes them out"


# -- the arguments -----------------------------------------------------------------------------


def _slot(text: str) -> Slot:
    """Like `Slot.parse`, but also for a generation that no node may have: it has to go."""
    node, _, generation = text.partition("@")
    if not re.fullmatch("0|[1-9][0-9]{0,15}", generation):
        raise Invalid(f"a slot is node@generation, not {names.shown(text)}")
    return Slot(names.node(node), names.natural(int(generation)))


def _renamed(text: str) -> tuple[Slot, Slot]:
    old, _, new = text.partition("=")
    return _slot(old), _slot(new)


def _number(text: str) -> tuple[tuple[Slot | None, str], int]:
    parts = re.fullmatch("([^/]+)/([^=]+)=([0-9]{1,16})", text)
    if parts is None:
        raise Invalid(f"--set takes SLOT/VIDEO=VIEWS or base/VIDEO=VIEWS, not {names.shown(text)}")
    place, video, views = parts.groups()
    slot = None if place == BASE else _slot(place)
    return (slot, names.video(video)), names.natural(int(views))
