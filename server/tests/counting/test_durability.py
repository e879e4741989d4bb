"""No crash of the process loses a view that was answered, or a number that anybody saw."""

import asyncio
import json
import random
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import aiosqlite
import httpx
import pytest
from ratchet.changes import Changes
from ratchet.frames import Hello
from ratchet.replica import Replica
from ratchet_server.counting import schema
from ratchet_server.counting.datadir import DATABASE
from ratchet_server.counting.failures import StoreFullError
from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import DiskFull, Refusal
from ratchet_server.counting.store import Store
from ratchet_server.counting.transaction import Transaction
from websockets.exceptions import ConnectionClosed

from testing import described
from testing.disk import no_file_larger_than, on_disk
from testing.nodes import PATIENCE_S, Node, cluster, equal, wait_until
from testing.wire import PROCESS, answers, dial, key, receive


def _keeper(
    store: Store,
    *,
    key_lifetime_s: int = 900,
    clock: Callable[[], float] = lambda: 10.0,
    wall_clock: Callable[[], float] = time.time,
) -> Keeper:
    """A keeper whose slot is open at once: its clock starts late, so it need not wait for peers."""
    replica = Replica(Hello("a", PROCESS, ""), lambda: 1, random.Random(1).randrange, 0.0)
    replica.tick(0.0)
    return Keeper(replica, store, key_lifetime_s=key_lifetime_s, clock=clock, wall_clock=wall_clock)


class Load:
    """Views from many clients at once, until the node responds no more."""

    def __init__(self, node: Node, video: str, *, clients: int = 6, keys: bool = False) -> None:
        self.answered = 0
        self.refused = 0
        # Keys of views that were sent and never answered.
        self.unsure: list[str] = []
        self._node, self._video, self._keys = node, video, keys
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _client(self) -> None:
        with described.Client(
            base_url=self._node.url, timeout=PATIENCE_S, trust_env=False
        ) as client:
            while self._view(client):
                pass

    def _view(self, client: httpx.Client) -> bool:
        one = key()
        headers = {"Idempotency-Key": one} if self._keys else {}
        try:
            answer = client.post(f"/api/videos/{self._video}/views", headers=headers)
        except httpx.ConnectError:
            return False
        except httpx.TransportError:
            with self._lock:
                self.unsure.append(one)
            return False
        assert answer.status_code in {200, 503}
        with self._lock:
            if answer.status_code == 200:
                self.answered += 1
            else:
                self.refused += 1
        return True


class Watch:
    """The largest number that a node has ever sent to a watcher."""

    def __init__(self, node: Node, video: str) -> None:
        self.largest = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(node, video))
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    def join(self) -> int:
        self._thread.join(PATIENCE_S)
        return self.largest

    def _watch(self, node: Node, video: str) -> None:
        with dial(node, f"/api/videos/{video}/live") as live, suppress(ConnectionClosed):
            while True:
                self.largest = max(self.largest, sum(receive(live)["slots"].values()))
                self._ready.set()


class TestKilled:
    def test_at_any_moment_under_load_it_loses_nothing_that_was_answered_or_seen(
        self, tmp_path: Path
    ) -> None:
        slots = set()
        with cluster(tmp_path, ("a", "b")) as nodes:
            a, b = nodes["a"], nodes["b"]
            for round_, after in enumerate([1, 4, 30, 120, 400]):
                video, keys = f"v{round_}", bool(round_ % 2)
                slots.add(a.slot)
                watch = Watch(a, video)
                load = Load(a, video, keys=keys)
                wait_until(lambda load=load, n=after: load.answered >= n, "enough is answered")  # type: ignore[misc]
                a.kill9()
                load.join()
                # b has only what a has sent to it.
                shown = max(watch.join(), b.views(video))
                kept = on_disk(a).counts[video]
                assert max(load.answered, shown) <= kept <= load.answered + len(load.unsure)

                a.start()
                assert a.views(video) == kept
                if keys:
                    for one in load.unsure:
                        a.post(f"/api/videos/{video}/views", {"Idempotency-Key": one})
                    assert a.views(video) == load.answered + len(load.unsure)
                wait_until(lambda: equal([a, b]), "both have the same again")
            assert a.slot not in slots
            assert len(slots) == 5

    def test_a_key_is_remembered(self, tmp_path: Path) -> None:
        # Two nodes, because a node that is alone waits two seconds before it opens its slot.
        with cluster(tmp_path, ("a", "b")) as nodes:
            headers = {"Idempotency-Key": key()}
            first = nodes["a"].post("/api/videos/x/views", headers).json()
            assert first == {"video": "x", "views": 1, "counted": True}
            nodes["a"].restart()
            again = nodes["a"].post("/api/videos/x/views", headers).json()
            assert again == {"video": "x", "views": 1, "counted": False}


def test_after_a_power_failure_no_node_shows_less_than_the_node_with_most(
    large: Path, tmp_path: Path
) -> None:
    """All start at once, and one responds long before it has read its data."""
    shutil.copytree(large, tmp_path / "a")
    # On a busy machine the usual ten seconds may be too few.
    patient = {"RATCHET_JOIN_TIMEOUT": "60"}
    with (
        Node("a", tmp_path, environ=patient) as a,
        Node("b", tmp_path, peers=[a.url], environ=patient) as b,
    ):
        a.peers = [b.url]
        a.spawn()
        wait_until(lambda: answers(a), "a responds")
        b.spawn()
        b.wait_for_log("ready: ")
        assert b.views("video-100000") == 100_000


class TestWithoutRoom:
    def test_views_are_refused_and_reads_go_on_until_there_is_room_again(
        self, tmp_path: Path
    ) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            counted = Counter({"x": node.view("x")})
            wal = Path(node.data, f"{DATABASE}-wal")
            # The first views that don't fit are cut short, as on a full disk. The next ones fail as
            # they do when a quota is used up.
            with no_file_larger_than(wal.stat().st_size + 50_000, node.pid):
                refused = 0
                for number in range(2000):
                    video = f"{number % 500:064}"
                    answer = node.post(f"/api/videos/{video}/views?ack=disk")
                    if answer.status_code == 200:
                        counted[video] += 1
                    else:
                        assert answer.status_code == 503
                        assert answer.json()["error"] == "disk_full"
                        assert "retry-after" in answer.headers
                        refused += 1
                        if refused == 20:
                            break
                assert refused == 20
                assert {video: node.views(video) for video in counted} == counted
            assert node.view("x") == 2
            counted["x"] = 2
            assert "takes views again" in node.log
            node.restart()
            assert {video: node.views(video) for video in counted} == counted
            assert "Traceback" not in node.log

    def test_at_its_start_a_node_serves_reads_refuses_views_and_recovers_by_itself(
        self, tmp_path: Path
    ) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            node.view("x")
            node.kill9()
            # SQLite can't make the index of its log: it takes 32 KiB.
            with no_file_larger_than(20_000):
                node.start()
            assert node.views("x") == 1
            for _ in range(2):
                answer = node.post("/api/videos/x/views")
                assert (answer.status_code, answer.json()["error"]) == (503, "disk_full")
            with no_file_larger_than(2**40, node.pid):
                wait_until(lambda: node.post("/api/videos/x/views").is_success, "a view counts")
                assert node.views("x") == 2
                # A backup can read the file again.
                assert on_disk(node).counts == {"x": 2}
                assert node.view("x") == 3
            node.restart()
            assert node.views("x") == 3
            assert "Traceback" not in node.log_file.read_text()

    def test_a_new_node_without_room_says_so(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node, no_file_larger_than(4000):
            node.spawn()
            assert node.wait() == 1
            assert "make room" in node.log.splitlines()[-1]
            assert "Traceback" not in node.log

    @pytest.mark.parametrize("fails", [(False, True), (True, False)])
    def test_a_view_answered_from_memory_amid_a_commit_counts_once_whichever_commit_fails(
        self, monkeypatch: pytest.MonkeyPatch, fails: tuple[bool, bool]
    ) -> None:
        """It comes while the store looks up a key. The disk is full at that commit or the next."""
        failing = list(fails)
        known_keys, write = Store.known_keys, Transaction.write

        async def story() -> None:
            store = await Store.open(None)
            keeper = _keeper(store)

            async def look_up(
                self: Store, keys: Sequence[str], now_s: int
            ) -> Mapping[str, str | None]:
                if keeper.replica.journal.waiting("tide") == 0:
                    assert (await keeper.count_view("tide", None, "memory")).counted
                return await known_keys(self, keys, now_s)

            def write_or_fail(self: Transaction, changes: Changes) -> None:
                if changes.columns and failing and failing.pop(0):
                    raise StoreFullError
                write(self, changes)

            run = asyncio.create_task(keeper.run())
            await keeper.count_view("moss", None, "disk")
            monkeypatch.setattr(Store, "known_keys", look_up)
            monkeypatch.setattr(Transaction, "write", write_or_fail)
            await asyncio.gather(keeper.count_view("moss", key(), "disk"), return_exceptions=True)
            await asyncio.gather(keeper.count_view("fern", None, "disk"), return_exceptions=True)
            keeper.end()
            await run
            assert not failing
            assert keeper.replica.table.value("tide") == 1
            await store.close()

        asyncio.run(story())

    def test_views_with_every_ack_count_once_when_there_is_room_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In this process, so that the round that fails has views of every kind."""
        monkeypatch.setattr(schema, "CONNECTION", (*schema.CONNECTION, LIMIT.format(20)))

        async def story() -> None:
            store = await Store.open(tmp_path / DATABASE)
            keeper = _keeper(store)
            replica = keeper.replica
            run = asyncio.create_task(keeper.run())
            first = await keeper.count_view("x", None, "disk")
            assert first.views == 1
            counted = 1
            for kind in (None, "key"):
                for _ in range(40):
                    in_memory = await keeper.count_view("x", None, "memory")
                    assert in_memory.counted
                    counted += 1
                    views = [
                        keeper.count_view(
                            "x" if kind else f"{n:064}", key() if kind else None, "disk"
                        )
                        for n in range(400)
                    ]
                    answers = await asyncio.gather(*views, return_exceptions=True)
                    full = [answer for answer in answers if isinstance(answer, Refusal)]
                    assert all(isinstance(answer, DiskFull) for answer in full)
                    counted += (len(answers) - len(full)) if kind else 0
            assert full
            # Reads go on, and show what was answered. Peers get it once it is on disk.
            assert replica.table.value("x") <= keeper.value("x") == counted
            await store._driver.execute_fetchall(LIMIT.format(100_000))  # There is room again.
            assert (await keeper.count_view("x", None, "disk")).views == counted + 1
            keeper.end()
            await run
            await store.close()

        asyncio.run(story())


LIMIT = "PRAGMA max_page_count = {}"


def test_while_another_program_locks_the_database_views_are_refused_and_reads_go_on(
    tmp_path: Path,
) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        assert node.view("x") == 1
        path = Path(node.data, DATABASE)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for headers in ({}, {"Idempotency-Key": key()}):
                answer = node.post("/api/videos/x/views", headers)
                assert (answer.status_code, answer.json()["error"]) == (503, "locked")
                assert "Another program" in answer.json()["message"]
                assert node.views("x") == 1
            other.execute("ROLLBACK")
        assert node.view("x") == 2
        assert "another program" in node.log
        assert "takes views again" in node.log
        node.restart()
        assert node.views("x") == 2


def test_a_view_answered_from_memory_is_written_once_the_lock_is_gone(tmp_path: Path) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        node.view("x")
        with closing(sqlite3.connect(Path(node.data, DATABASE), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert node.post("/api/videos/x/views?ack=memory").json()["views"] == 2
            wait_until(lambda: "another program" in node.log, "its commit was refused")
            other.execute("ROLLBACK")
        wait_until(lambda: on_disk(node).counts == {"x": 2}, "it is on disk")


def test_a_key_is_remembered_for_its_lifetime_and_no_part_of_a_second_less() -> None:
    async def story() -> None:
        now_s = 10.0
        store = await Store.open(None)
        keeper = _keeper(
            store, key_lifetime_s=1, clock=lambda: now_s, wall_clock=lambda: 1_800_000_000.95
        )
        run = asyncio.create_task(keeper.run())
        one = key()
        assert (await keeper.count_view("x", one, "disk")).counted
        now_s += 0.99
        assert not (await keeper.count_view("x", one, "disk")).counted
        now_s += 1.01
        assert (await keeper.count_view("x", one, "disk")).counted
        keeper.end()
        await run
        await store.close()

    asyncio.run(story())


def test_a_view_whose_key_is_promised_counts_once_nobody_else_is_left() -> None:
    async def story() -> None:
        store = await Store.open(None)
        keeper = _keeper(store)
        run = asyncio.create_task(keeper.run())
        promised = key()
        await store.commit(lambda transaction: transaction.keys.put({promised: None}, 2**31))
        assert (await keeper.count_view("x", promised, "disk")).counted is True
        assert keeper.value("x") == 1
        keeper.end()
        await run
        await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("calls", ["views", "keys"])
def test_a_commit_makes_one_trip_to_the_thread_of_the_database(
    calls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trip costs more than most statements."""
    trips = 0
    execute = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, function: Callable[[], object]) -> object:
        nonlocal trips
        trips += 1
        return await execute(self, function)  # type: ignore[no-untyped-call]

    async def story() -> None:
        store = await Store.open(None)
        async for _ in store.load():
            pass
        keeper = _keeper(store)
        run = asyncio.create_task(keeper.run())
        await keeper.count_view("x", key(), "disk")
        monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
        many = [
            keeper.count_view(f"v{number}", key() if calls == "keys" else None, "disk")
            for number in range(100)
        ]
        await asyncio.gather(*many)
        assert trips == 1
        monkeypatch.undo()
        keeper.end()
        await run
        await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_wall_clock_that_is_set_makes_no_node_forget_a_key(step_s: int) -> None:
    async def story() -> None:
        now_s = 1_800_000_000.0
        store = await Store.open(None)
        keeper = _keeper(store, wall_clock=lambda: now_s)
        run = asyncio.create_task(keeper.run())
        before, after = key(), key()
        assert (await keeper.count_view("x", before, "disk")).counted
        now_s += step_s
        assert (await keeper.count_view("x", after, "disk")).counted
        for one in (before, after):
            assert not (await keeper.count_view("x", one, "disk")).counted
        keeper.end()
        await run
        await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("steps_h", [[3], [-3, 0], [3, 0, -3]])
def test_a_process_that_starts_with_a_wrong_clock_knows_the_keys(
    steps_h: list[int], tmp_path: Path
) -> None:
    keys = [key()]

    async def process(wall_s: float) -> None:
        """It gets all earlier keys again, and a new one."""
        store = await Store.open(tmp_path / DATABASE)
        keeper = _keeper(store, wall_clock=lambda: wall_s)
        await keeper.load()
        run = asyncio.create_task(keeper.run())
        for one in keys[:-1]:
            assert not (await keeper.count_view("x", one, "disk", retry=True)).counted
        assert (await keeper.count_view("x", keys[-1], "disk")).counted
        keys.append(key())
        keeper.end()
        await run
        await store.close()

    for hours in [0, *steps_h]:
        asyncio.run(process(1_800_000_000.0 + hours * 3600))


def test_a_key_outlives_no_lifetime_in_which_the_node_is_up(tmp_path: Path) -> None:
    """Also if the node was down most of the time, or its clock was ahead once."""
    one = key()

    async def process(wall_s: float, up_s: float, *, counted: bool) -> None:
        now_s = 10.0
        store = await Store.open(tmp_path / DATABASE)
        keeper = _keeper(store, clock=lambda: now_s, wall_clock=lambda: wall_s)
        await keeper.load()
        run = asyncio.create_task(keeper.run())
        now_s += up_s
        assert (await keeper.count_view("x", one, "disk")).counted == counted
        await keeper.count_view("x", key(), "disk")
        keeper.end()
        await run
        await store.close()

    asyncio.run(process(1_800_036_000.0, 0, counted=True))
    asyncio.run(process(1_800_000_000.0, 500, counted=False))
    asyncio.run(process(1_800_000_000.0, 500, counted=True))


def test_without_storage_a_node_gets_its_views_back_from_its_peers(tmp_path: Path) -> None:
    with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url], data=":memory:") as a:
        b.start()
        a.start()
        a.view("x")
        wait_until(lambda: equal([a, b]), "b has the view")
        slot = a.slot
        a.restart()
        assert a.views("x") == 1
        assert a.view("x") == 2
        assert a.slot != slot
        assert set(json.loads(a.get("/api/videos/x/snapshot").text)["slots"]) == {slot, a.slot}
