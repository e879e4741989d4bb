"""Numbers that can't be true: what a node does with those that it has, or that a peer sends."""

import asyncio
import random
import time
from pathlib import Path
from typing import Final

import pytest
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.frames import Digest, Hello
from ratchet.generations import Generations
from ratchet.names import MAX_COUNT, Invalid
from ratchet.replica import Replica
from ratchet.slot import Slot
from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import ClockInDoubt
from ratchet_server.counting.store import Store

from testing.disk import fill
from testing.nodes import Node, wait_until
from testing.wire import PROCESS, key

FAR: Final = time.time_ns() // 1000 + 30 * 3600 * 1_000_000


def test_a_view_of_a_video_at_the_largest_number_is_refused_and_not_counted(tmp_path: Path) -> None:
    """Otherwise the node would confirm views for ever, and count none."""
    with Node("a", tmp_path) as node:
        raised = Changes(
            columns=(ColumnChange(Slot("x", 1), 1, (Row("full", MAX_COUNT, 1),)),),
            newest={"b": FAR, "x": 1},
        )
        fill(tmp_path / "a", raised)
        node.start()
        wait_until(lambda: node.slot, "the slot is open")
        one = key()
        for query, headers in (
            ("", {}),
            ("?ack=memory", {}),
            ("", {"Idempotency-Key": one}),
            ("", {"Idempotency-Key": one}),
        ):
            answer = node.post(f"/api/videos/full/views{query}", headers)
            assert (answer.status_code, answer.json()["error"]) == (507, "count_full")
        assert node.views("full") == MAX_COUNT
        assert node.view("other") == 1
        assert "x@1 can't have 9007199254740991 views of full yet" in node.log
        assert f"b@{FAR} is 29 hours ahead" in node.log


def test_a_node_on_an_empty_disk_counts_nothing_while_clocks_are_in_doubt() -> None:
    now_s = 0.0

    async def story() -> None:
        nonlocal now_s
        wall_ms = time.time_ns() // 1_000_000
        chance = random.Random(1).randrange
        replica = Replica(Hello("a", PROCESS, ""), lambda: wall_ms, chance, now_s)
        store = await Store.open(None)
        keeper = Keeper(replica, store, key_lifetime_s=900, clock=lambda: now_s)
        work = asyncio.create_task(keeper.run())
        keeper.joined(Hello("b", "b" * 16, ""))
        none = Generations()
        lie = Digest(None, {}, Generations(b=FAR), none, none, {}, None, {})
        waiting = asyncio.create_task(keeper.count_view("x", None, "disk"))
        with pytest.raises(Invalid, match="hours ahead"):
            await keeper.receive(lie, "b" * 16)
        for view in (waiting, keeper.count_view("x", None, "disk")):
            with pytest.raises(ClockInDoubt):
                await view
        # The peer is stopped, or its clock is set. Nobody repeats it.
        now_s = 60.0
        assert (await keeper.count_view("x", None, "disk")).counted
        keeper.end()
        await work
        await store.close()

    asyncio.run(story())
