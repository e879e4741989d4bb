"""The keys of views: each is found, in memory or on disk, until it is dropped."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ratchet_server.counting import keys as keys_module
from ratchet_server.counting import schema
from ratchet_server.counting.datadir import DATABASE
from ratchet_server.counting.keys import GROUP, Held, Keys, all_counted

from testing.nodes import Node
from testing.wire import key

# How many keys the index has at most in these tests.
MOST = 600


@pytest.fixture
def database() -> sqlite3.Connection:
    return opened(":memory:")


def opened(path: str) -> sqlite3.Connection:
    """A database with the tables, and nothing else of a store."""
    database = sqlite3.connect(path, isolation_level=None)
    for statement in (*schema.TABLES, *schema.KEY_GROUPS):
        if "key" in statement:
            database.execute(statement)
    return database


def many(number: int) -> list[str]:
    return [key() for _ in range(number)]


class TestOnDisk:
    def test_a_key_that_is_not_in_memory_any_more_is_found(
        self, database: sqlite3.Connection
    ) -> None:
        keys = Keys(database, most=MOST)
        put = [many(100) for _ in range(20)]
        for at, part in enumerate(put):
            keys.begin()
            keys.put(dict.fromkeys(part, f"v{at}"), 1000 + at)
        for at, part in enumerate(put):
            assert keys.find(part, 999) == dict.fromkeys(part, Held(f"v{at}", 1000 + at))
        assert len(keys) == 2000
        assert keys.may_hold([key()])

    def test_the_index_is_bounded(
        self, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keys_module, "_SWEEP_EVERY", 1 / 32)
        keys = Keys(database, most=MOST)
        for at in range(60):
            keys.begin()
            keys.put(dict.fromkeys(many(100), "v"), 1000 + at)
        entries = sum(map(len, keys._index)) // 16
        assert entries < 1.1 * (MOST + keys_module._PARTS / 32)

    def test_another_process_finds_all_keys(self, tmp_path: Path) -> None:
        path = str(tmp_path / "x")
        first, second, third = many(500), many(500), many(500)
        with closing(opened(path)) as database:
            keys = Keys(database, most=MOST)
            for at, part in enumerate((first, second, third)):
                keys.put(dict.fromkeys(part, "v"), 1000 + at)
        with closing(sqlite3.connect(path)) as database:
            keys = Keys(database, most=MOST)
            for at, part in enumerate((first, second, third)):
                assert keys.find(part) == dict.fromkeys(part, Held("v", 1000 + at))
            assert len(keys) == 1500
            assert keys.find(many(100)) == {}

    def test_a_new_key_costs_no_read(self, database: sqlite3.Connection) -> None:
        keys = Keys(database)
        keys.load()
        held = many(1000)
        keys.put(dict.fromkeys(held, "v"), 1000)
        assert not keys.may_hold(many(1000))
        assert keys.may_hold([key(), held[999]])

    def test_the_keys_of_the_last_release_are_found_and_expire(
        self, database: sqlite3.Connection
    ) -> None:
        old, new = key(), key()
        database.execute("INSERT INTO keys VALUES (?, 'v', 1000)", (old,))
        keys = Keys(database)
        assert keys.find([old, new], 999) == {old: Held("v", 1000)}
        keys.put({new: "w"}, 2000)
        assert keys.find([old, new], 999) == {old: Held("v", 1000), new: Held("w", 2000)}
        keys.drop(1000)
        assert keys.find([old, new]) == {new: Held("w", 2000)}
        assert not keys.may_hold([old])


class TestExpiry:
    def test_a_key_is_found_until_it_is_dropped_also_after_it_has_expired(
        self, database: sqlite3.Connection
    ) -> None:
        keys = Keys(database)
        one, two = key(), key()
        keys.put({one: "v"}, 100)
        keys.put({two: "v"}, 101)
        assert keys.find([one, two], 100) == {two: Held("v", 101)}
        assert keys.find([one, two]) == {one: Held("v", 100), two: Held("v", 101)}
        keys.drop(99)
        assert keys.find([one]) == {one: Held("v", 100)}
        keys.drop(100)
        assert keys.find([one, two]) == {two: Held("v", 101)}
        assert len(keys) == 1

    def test_a_key_that_expires_in_an_hour_holds_up_none_that_came_later(
        self, database: sqlite3.Connection
    ) -> None:
        """The clock was ahead when it came."""
        keys = Keys(database)
        early, late = key(), key()
        keys.put({early: "v"}, 4000)
        keys.put({late: "v"}, 100)
        keys.drop(100)
        assert keys.find([early, late]) == {early: Held("v", 4000)}

    def test_a_long_clean_up_is_done_bit_by_bit(self, database: sqlite3.Connection) -> None:
        keys = Keys(database)
        for _ in range(keys_module.DROPPED_AT_ONCE + 1):
            keys.put({key(): "v"}, 100)
        keys.drop(100)
        assert len(keys) == 1
        keys.drop(100)
        assert len(keys) == 0


class TestPromises:
    def test_a_promised_key_has_no_video(self, database: sqlite3.Connection) -> None:
        keys = Keys(database, most=2)
        promised = many(4)
        for one in promised:
            keys.put({one: None}, 100)
        assert keys.find(promised) == dict.fromkeys(promised, Held(None, 100))

    @pytest.mark.parametrize("most", [1, 100])
    def test_a_promise_holds_until_it_is_dropped(
        self, database: sqlite3.Connection, most: int
    ) -> None:
        """The node to which it was given may wait for others for long."""
        keys = Keys(database, most=most)
        promised, counted = key(), key()
        keys.put({promised: None, counted: "v"}, 100)
        assert keys.find([promised, counted], 200) == {promised: Held(None, 100)}
        keys.drop(100)
        assert keys.find([promised], 200) == {}

    @pytest.mark.parametrize("most", [1, 100])
    @pytest.mark.parametrize("expires_s", [50, 100, 200])
    def test_a_video_replaces_the_promise_whenever_it_expires(
        self, database: sqlite3.Connection, most: int, expires_s: int
    ) -> None:
        keys = Keys(database, most=most)
        one = key()
        keys.put({one: None, key(): "w"}, 100)
        keys.put({one: "v", key(): "w"}, expires_s)
        assert keys.find([one]) == {one: Held("v", expires_s)}


class TestAllThatHaveCounted:
    def test_are_read_in_parts_and_the_newest_come_first(
        self, database: sqlite3.Connection
    ) -> None:
        keys = Keys(database, most=MOST)
        put = [dict.fromkeys(many(100), f"v{at}") for at in range(20)]
        for at, part in enumerate(put):
            keys.begin()
            keys.put(part | dict.fromkeys(many(10)), 1000 + at)
        parts = [*all_counted(database, 150)]
        assert parts[0] == put[-1] | put[-2]
        assert max(map(len, parts)) <= 200
        # Some are in the other table meanwhile. Those that are promised have not counted.
        assert sum(map(len, parts)) == 2000
        assert {key: video for part in parts for key, video in part.items()} == {
            key: video for part in put for key, video in part.items()
        }

    def test_others_may_put_and_drop_keys_between_two_parts(
        self, database: sqlite3.Connection
    ) -> None:
        keys = Keys(database, most=MOST)
        put = [dict.fromkeys(many(100), "tide") for _ in range(5)]
        for at, part in enumerate(put):
            keys.begin()
            keys.put(part, 1000 + at)
        parts = all_counted(database, 100)
        assert next(parts) == put[-1]
        keys.begin()
        keys.put(dict.fromkeys(many(3), "moss"), 2000)
        keys.drop(1001)
        assert [part for part in parts if part] == [put[3], put[2]]


class TestRollback:
    def test_nothing_of_it_stays_and_nothing_before_it_is_lost(
        self, database: sqlite3.Connection
    ) -> None:
        keys = Keys(database, most=MOST)
        before = many(700)
        keys.begin()
        keys.put(dict.fromkeys(before, "v"), 100)
        for _ in range(3):
            keys.begin()
            database.execute("BEGIN")
            gone = many(5000)
            keys.drop(100)
            keys.put(dict.fromkeys(gone, "w"), 200)
            database.execute("ROLLBACK")
            keys.rolled_back()
            assert keys.find(before) == dict.fromkeys(before, Held("v", 100))
            assert keys.find(gone) == {}
            assert len(keys) == 700

    def test_a_group_with_the_id_of_one_that_was_rolled_back_has_its_own_keys(
        self, database: sqlite3.Connection
    ) -> None:
        keys = Keys(database)
        keys.load()
        gone, there = key(), key()
        keys.begin()
        database.execute("BEGIN")
        keys.put({gone: "v"}, 100)
        database.execute("ROLLBACK")
        keys.rolled_back()
        keys.begin()
        keys.put({there: "w"}, 100)
        assert keys.find([gone, there]) == {there: Held("w", 100)}


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "promise", "drop", "again", "undone"]),
            st.integers(1, 400),
            st.integers(1, 9),
        ),
        max_size=15,
    )
)
def test_after_any_history_the_keys_equal_a_dictionary(steps: list[tuple[str, int, int]]) -> None:
    database = opened(":memory:")
    keys = Keys(database, most=MOST)
    model = dict[str, Held]()
    for what, number, time_s in steps:
        if what == "again":
            keys = Keys(database, most=MOST)
        keys.begin()
        database.execute("BEGIN")
        if what == "drop":
            for _ in range(10):
                keys.drop(time_s)
            model = {one: held for one, held in model.items() if held.expires_s > time_s}
        elif what != "again":
            some, video = many(number), None if what == "promise" else "v"
            keys.put(dict.fromkeys(some, video), time_s)
            if what != "undone":
                model |= dict.fromkeys(some, Held(video, time_s))
        if what == "undone":
            database.execute("ROLLBACK")
            keys.rolled_back()
        else:
            database.execute("COMMIT")
        assert keys.find(model) == model
        assert len(keys) == len(model)


def test_a_damaged_group_is_an_unknown_key_and_no_failure(database: sqlite3.Connection) -> None:
    damaged, whole = many(GROUP), key()
    keys = Keys(database)
    keys.put(dict.fromkeys(damaged, "v"), 100)
    keys.put({whole: "v"}, 101)
    first = "(SELECT min(id) FROM key_groups)"
    database.execute(f"UPDATE key_groups SET keys = x'00', videos = x'ff' WHERE id = {first}")
    keys.load()
    assert keys.find([*damaged, whole]) == {whole: Held("v", 101)}


def test_a_file_of_the_last_release_is_taken_over_with_its_keys(tmp_path: Path) -> None:
    """It has no groups."""
    old, new = key(), key()
    with Node("a", tmp_path) as node:
        node.start()
        node.view("x")
        node.stop()
        with closing(sqlite3.connect(Path(node.data) / DATABASE, isolation_level=None)) as database:
            database.executescript(
                "DROP TABLE key_groups; DROP TABLE pending;DELETE FROM sums WHERE name = 'pending'"
            )
            database.execute("INSERT INTO keys VALUES (?, 'x', 4102444800)", (old,))
        node.start()
        for one, counted in ((old, False), (new, True), (new, False)):
            answer = node.post("/api/videos/x/views", {"Idempotency-Key": one})
            assert answer.json()["counted"] is counted
        node.kill9()
        node.start()
        for one in (old, new):
            answer = node.post("/api/videos/x/views", {"Idempotency-Key": one})
            assert answer.json() == {"video": "x", "views": 2, "counted": False}
