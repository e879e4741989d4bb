"""A data folder that can't be used: one clear line, exit code 1, and its files unchanged."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from testing.nodes import Node

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


class TestAFileThatIsDamaged:
    """How the process ends. (test_store has more ways to damage a file.)"""

    def test_by_a_flipped_bit_ends_the_process_and_stays_as_it_is(self, data: Path) -> None:
        whole = bytearray((data / DATABASE).read_bytes())
        whole[whole.index(b"tide") + 3] ^= 1
        (data / DATABASE).write_bytes(whole)
        line = refusal(data)
        assert "a row fails its checksum" in line
        assert "Move the file away" in line
        assert contents(data) == {DATABASE: whole}

    def test_by_a_cut_ends_the_process(self, data: Path) -> None:
        (data / DATABASE).write_bytes((data / DATABASE).read_bytes()[: 4096 * 3])
        assert str(data / DATABASE) in refusal(data)
