"""A data folder that can't be used: one clear line, exit code 1, and its files unchanged."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from ratchet.changes import Changes, ColumnChange
from ratchet.column import Row
from ratchet.slot import Slot
from ratchet_server.counting.datadir import InUse, locked

from testing.disk import fill, no_file_larger_than, on_disk
from testing.nodes import Node, equal, wait_until

Refused = Callable[..., str]

DATABASE = "ratchet.sqlite"


def start(refused: Refused, folder: Path) -> str:
    return refused("node", "--name", "a", "--port", "0", "--open", "--data", str(folder))


def refusal(folder: Path) -> str:
    """The last line of a process that has started to listen before it finds that it can't go on."""
    with Node("a", folder.parent, data=str(folder)) as node:
        node.spawn()
        assert node.wait() == 1
        assert "Traceback" not in node.log
        return node.log.splitlines()[-1]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the lock, which holds no data."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The database, opened with none of the settings that a node uses."""
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as connection:
        yield connection


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a node that has counted and stopped."""
    folder = tmp_path_factory.mktemp("used")
    with Node("a", folder) as node:
        node.start()
        for _ in range(3):
            node.view("tide")
        assert node.stop() == 0
    return folder / "a"


@pytest.fixture
def data(used: Path, tmp_path: Path) -> Path:
    """A copy of `used` that the test may damage."""
    folder = tmp_path / "data"
    folder.mkdir()
    # A node that has stopped in order leaves one file, which has everything.
    (folder / DATABASE).write_bytes((used / DATABASE).read_bytes())
    return folder


def test_a_node_that_has_stopped_leaves_one_file_with_everything(data: Path, used: Path) -> None:
    assert set(contents(used)) == {DATABASE}
    with opened(data) as database:
        assert database.execute("SELECT video, views FROM rows").fetchall() == [("tide", 3)]


class TestAFolderThatCanNotBeUsed:
    def test_because_a_file_is_in_its_place(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("mine")
        line = start(refused, tmp_path / "data")
        assert f"can't write in the data folder {tmp_path / 'data'}" in line
        assert (tmp_path / "data").read_text() == "mine"

    def test_because_a_file_is_above_it(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        assert "can't write in the data folder" in start(refused, tmp_path / "file" / "data")

    # Even root can't write there.
    @pytest.mark.parametrize("folder", ["/proc/data", "/proc/self"])
    def test_because_nobody_can_write_there(self, refused: Refused, folder: str) -> None:
        assert f"can't write in the data folder {folder}" in start(refused, Path(folder))

    def test_because_a_folder_is_in_the_place_of_the_database(self, tmp_path: Path) -> None:
        (tmp_path / "data" / DATABASE).mkdir(parents=True)
        assert "unable to open database file" in refusal(tmp_path / "data")


class TestAFolderOfOurs:
    def test_only_its_user_may_read_the_data(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            node.view("tide")
            folder = Path(node.data)
            assert folder.stat().st_mode & 0o777 == 0o700
            modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        names = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "lock"}
        assert modes == dict.fromkeys(names, 0o600)

    def test_a_folder_that_was_there_keeps_its_rights(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o750)
        with locked(tmp_path):
            assert tmp_path.stat().st_mode & 0o777 == 0o750

    def test_it_is_locked_also_where_a_full_disk_leaves_no_room_for_our_id(
        self, tmp_path: Path
    ) -> None:
        with no_file_larger_than(0), locked(tmp_path), pytest.raises(InUse), locked(tmp_path):
            pass


class TestAFileThatIsNotOurs:
    @pytest.mark.parametrize(
        "content", [b"a letter to my aunt, and not a database at all " * 100, b"\0" * 5000]
    )
    def test_because_it_is_not_a_database(
        self, refused: Refused, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / DATABASE).write_bytes(content)
        before = contents(tmp_path)
        assert "it is not a database" in start(refused, tmp_path)
        assert contents(tmp_path) == before

    @pytest.mark.parametrize("journal", ["DELETE", "WAL"])
    def test_because_it_is_another_programs_database(
        self, refused: Refused, tmp_path: Path, journal: str
    ) -> None:
        with opened(tmp_path) as database:
            database.execute(f"PRAGMA journal_mode = {journal}")
            database.execute("CREATE TABLE letters (text)")
        before = contents(tmp_path)
        assert "is a database of another program" in start(refused, tmp_path)
        assert contents(tmp_path) == before

    def test_because_a_newer_version_wrote_it(self, refused: Refused, data: Path) -> None:
        with opened(data) as database:
            database.execute("PRAGMA user_version = 1000")
        before = contents(data)
        line = start(refused, data)
        assert "has version 1000" in line
        assert "a newer program wrote it" in line
        assert contents(data) == before


class TestAFileThatIsInUse:
    def test_stays_with_the_process_that_uses_it(self, refused: Refused, node: Node) -> None:
        views = node.view("in-use")
        line = start(refused, Path(node.data))
        assert f"is in use by another process (pid {node.pid})" in line
        assert node.view("in-use") == views + 1

    def test_is_refused_a_second_time_with_the_same_pid(self, refused: Refused, node: Node) -> None:
        for _ in range(2):
            assert f"(pid {node.pid})" in start(refused, Path(node.data))

    def test_by_another_program_at_the_start(self, refused: Refused, data: Path) -> None:
        with opened(data) as database:
            database.execute("BEGIN EXCLUSIVE")
            line = start(refused, data)
        assert "database is locked" in line
        assert "another program" in line


class TestAFileThatIsDamaged:
    """How the process ends. (test_store has more ways to damage a file.)"""

    def test_a_flipped_bit_costs_what_it_has_hit_and_the_node_says_so(self, data: Path) -> None:
        whole = bytearray((data / DATABASE).read_bytes())
        whole[whole.index(b"tide") + 3] ^= 1
        (data / DATABASE).write_bytes(whole)
        with Node("a", data.parent, data=str(data)) as node:
            node.start()
            assert node.views("tide") == 0
            assert node.view("tide") == 1
            assert "the database is damaged. a@" in node.log
            [old] = data.glob("ratchet.damaged-*.sqlite")
            assert str(old) in node.log
            assert old.read_bytes() == whole
            node.restart()
            assert node.views("tide") == 1
            assert "damaged" not in node.log

    @pytest.mark.parametrize(
        "damage",
        [
            "UPDATE rows SET views = views + 1000 WHERE video = 'tide'",
            "UPDATE slots SET id = id + 10",
            "DELETE FROM rows WHERE video = 'tide'; UPDATE slots SET entries = entries + 1",
            "UPDATE base SET views = views + 1000 WHERE video = 'tide'",
        ],
    )
    def test_the_peers_send_back_what_was_damaged(self, tmp_path: Path, damage: str) -> None:
        kept = Changes(
            columns=(ColumnChange(Slot("old", 9), 2, (Row("tide", 4, 1), Row("moss", 1, 2))),),
            base=(("tide", 10), ("fern", 3)),
            newest={"old": 9, "older": 1},
            closed={"old": 8, "older": 1},
            folded={"older": 1},
        )
        for name in ("a", "b"):
            fill(tmp_path / name, kept)
        with opened(tmp_path / "a") as database:
            database.executescript(damage)
        with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url]) as a:
            b.start()
            a.start()
            assert (a.views("tide"), a.views("moss"), a.views("fern")) == (14, 1, 3)
            wait_until(lambda: equal([a, b]), "both have the same")
            assert "the database is damaged" in a.log
            wait_until(lambda: on_disk(a).counts == on_disk(b).counts, "and have it on disk")
            a.restart()
            assert a.views("tide") == 14
            assert "damaged" not in a.log

    def test_without_room_for_a_new_file_it_says_so_and_leaves_the_old_one(
        self, data: Path
    ) -> None:
        with opened(data) as database:
            database.execute("UPDATE rows SET views = views + 1000")
        before = contents(data)
        with Node("a", data.parent, data=str(data)) as node:
            with no_file_larger_than(33_000):
                node.spawn()
            assert node.wait() == 1
            assert "ake room" in node.log.splitlines()[-1]
            assert "Traceback" not in node.log
        assert contents(data) == before

    def test_a_file_of_an_earlier_version_is_upgraded(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        with opened(tmp_path / "data") as database:
            database.executescript(Path(__file__).with_name("version_1.sql").read_text())
        with Node("a", tmp_path, data=str(tmp_path / "data")) as node:
            node.start()
            assert (node.views("tide"), node.views("moss"), node.views("fern")) == (15, 1, 1)
            assert node.view("tide") == 16
            assert "has been upgraded" in node.log
            node.restart()
            assert node.views("tide") == 16
            assert "upgraded" not in node.log

    def test_by_a_cut_ends_the_process(self, data: Path) -> None:
        (data / DATABASE).write_bytes((data / DATABASE).read_bytes()[: 4096 * 3])
        assert str(data / DATABASE) in refusal(data)
