"""`ratchet backup` copies the data of a node that runs, and `ratchet check` says what it has."""

import asyncio
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ratchet_server.cli import main
from ratchet_server.counting.copying import copy
from ratchet_server.counting.datadir import DATABASE
from ratchet_server.http import backup

from testing.nodes import Node, wait_until

Refused = Callable[..., str]


def restored(file: Path, folder: Path) -> Node:
    """A node that starts with a backup as its data."""
    (folder / "a").mkdir(parents=True)
    shutil.copyfile(file, folder / "a" / DATABASE)
    return Node("a", folder)


class TestABackup:
    def test_has_all_that_was_answered_before_it_began(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "backup.sqlite"
        answered = 0
        stop = threading.Event()

        def count() -> None:
            nonlocal answered
            while not stop.is_set():
                node.view("x")
                answered += 1

        with Node("a", tmp_path) as node:
            node.start()
            counting = threading.Thread(target=count)
            counting.start()
            try:
                wait_until(lambda: answered > 20, "it counts")
                before = answered
                assert main(["backup", node.url, str(file)]) == 0
                after = answered
                wait_until(lambda: answered > after, "it counts on")
            finally:
                stop.set()
                counting.join()
            assert not [*Path(node.data).glob("*copied*")]
        assert file.stat().st_mode & 0o777 == 0o600
        assert "of 1 video, open" in capsys.readouterr().out
        with restored(file, tmp_path / "restored") as copy:
            copy.start()
            assert before <= copy.views("x") <= after + 1

    def test_needs_the_secret(self, tmp_path: Path, refused: Refused) -> None:
        file = tmp_path / "backup.sqlite"
        secret = tmp_path / "secret"
        secret.write_text("of-this-test-alone")
        with Node("a", tmp_path, flags=["--secret-file", str(secret)]) as node:
            node.start()
            assert "(401)" in refused("backup", node.url, str(file))
            assert not file.exists()
            assert main(["backup", node.url, str(file), "--secret-file", str(secret)]) == 0
        assert file.exists()

    def test_overwrites_no_file_and_leaves_no_half_one(
        self, tmp_path: Path, refused: Refused, node: Node
    ) -> None:
        there = tmp_path / "there"
        there.write_text("mine")
        assert "exists already" in refused("backup", node.url, str(there))
        assert there.read_text() == "mine"
        assert "can't write" in refused("backup", node.url, str(tmp_path / "no/folder/x"))
        with Node("m", tmp_path, data=":memory:") as memory:
            memory.start()
            assert "in memory" in refused("backup", memory.url, str(tmp_path / "x"))
        assert "no response" in refused("backup", memory.url, str(tmp_path / "x"))
        assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"there", "m.log"}

    def test_keeps_out_of_the_way_of_other_files_beside_it(
        self, tmp_path: Path, refused: Refused, node: Node
    ) -> None:
        """A link in the place of the unfinished file could lead it anywhere."""
        assert "File name too long" in refused("backup", node.url, str(tmp_path / ("x" * 300)))
        other = tmp_path / "other"
        other.write_text("mine")
        file = tmp_path / "backup"
        file.with_name("backup.part").symlink_to(other)
        assert main(["backup", node.url, str(file)]) == 0
        assert other.read_text() == "mine"
        files = {path.name for path in tmp_path.iterdir() if path.is_file()}
        assert files == {"backup", "backup.part", "other"}

    def test_needs_no_folder_for_temporary_files(
        self, tmp_path: Path, node: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That folder is often in memory, and smaller than the data."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
        (tmp_path / "there").mkdir()
        assert main(["backup", node.url, str(tmp_path / "there/backup")]) == 0
        assert [path.name for path in (tmp_path / "there").iterdir()] == ["backup"]

    def test_may_lie_beside_the_data(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            node.view("x")
            file = Path(node.data) / "ratchet.backup.sqlite"
            for path in (file, tmp_path / "other"):
                assert main(["backup", node.url, str(path)]) == 0
            node.restart()
            assert file.exists()

    def test_that_nobody_waits_for_ends_before_the_next_begins(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = tmp_path / "database"
        with closing(sqlite3.connect(database)) as made, made:
            made.execute("CREATE TABLE many (id INTEGER PRIMARY KEY, text TEXT)")
            made.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) "
                "INSERT INTO many SELECT i, 'x' || i FROM n"
            )
        begun = threading.Event()
        ends: list[BaseException | None] = []

        def watched(path: Path, to: Path, stop: threading.Event | None = None) -> None:
            begun.set()
            try:
                copy(path, to, stop)
                ends.append(None)
            except sqlite3.Error as error:
                ends.append(error)
                raise

        monkeypatch.setattr(backup, "copy", watched)

        async def story() -> None:
            copying = asyncio.create_task(backup._copied(database, tmp_path / "copy"))
            await asyncio.to_thread(begun.wait)
            copying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await copying
            (error,) = ends
            assert "interrupted" in str(error)

        asyncio.run(story())

    def test_is_refused_where_the_node_has_no_room(self, tmp_path: Path, refused: Refused) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            node.view("x")
            # A folder is in the place of the copy.
            (Path(node.data) / "ratchet.being-copied.sqlite").mkdir()
            assert "can't copy its data" in refused("backup", node.url, str(tmp_path / "x"))
            assert node.view("x") == 2


class TestACheck:
    def test_of_a_pipe_waits_for_nobody(self, tmp_path: Path, refused: Refused) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "there is no file" in refused("check", str(tmp_path / "pipe"))

    def test_reads_the_data_of_a_node_that_runs(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            for video in ("x", "x", "y"):
                node.view(video)
            file = Path(node.data) / DATABASE
            assert main(["check", str(file)]) == 0
            output = capsys.readouterr().out
            assert f"{file} is whole" in output
            assert "3 views of 2 videos, open" in output
            assert node.view("x") == 3

    def test_leaves_nothing_beside_the_data_of_a_node_that_has_stopped(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            node.view("x")
            node.stop()
            file = Path(node.data) / DATABASE
            before = {*file.parent.iterdir()}
            assert main(["check", str(file)]) == 0
            assert {*file.parent.iterdir()} == before
        assert "is whole" in capsys.readouterr().out

    def test_finds_damage_that_a_copy_would_not_have(
        self, tmp_path: Path, refused: Refused
    ) -> None:
        """A copy gets new indexes."""
        with Node("a", tmp_path) as node:
            node.start()
            node.stop()
            file = Path(node.data) / DATABASE
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            # As the last release did.
            key = f"{'0' * 8}-0000-7000-8000-{'0' * 12}"
            database.execute("INSERT INTO keys VALUES (?, 'x', 4102444800)", (key,))
        content = file.read_bytes()
        # The key is in its table, and in an index.
        at = content.rindex(b"0" * 8 + b"-0000-7000")
        bad = tmp_path / "bad"
        bad.write_bytes(content[:at] + b"1" + content[at + 1 :])
        assert f"{bad} is damaged" in refused("check", str(bad))

    def test_finds_damage(self, tmp_path: Path, refused: Refused) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            for number in range(50):
                node.view(f"video-{number}")
            node.stop()
            file = Path(node.data) / DATABASE
        content = bytearray(file.read_bytes())
        at = content.find(b"video-17")
        content[at] ^= 1
        bad = tmp_path / "bad.sqlite"
        bad.write_bytes(content)
        message = refused("check", str(bad))
        assert str(bad) in message
        assert "damaged" in message

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (None, "there is no file"),
            (b"no database at all" * 1000, "is not a database"),
            (b"", "is empty"),
        ],
    )
    def test_of_another_file_says_what_it_is(
        self, tmp_path: Path, refused: Refused, content: bytes | None, why: str
    ) -> None:
        file = tmp_path / "file"
        if content is not None:
            file.write_bytes(content)
        message = refused("check", str(file))
        assert why in message
        assert "ratchet-" not in message


def test_a_copy_that_a_killed_process_left_is_in_nobodys_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        left = Path(node.data) / "ratchet.being-copied.sqlite"
        left.write_bytes(b"half")
        node.restart()
        # It takes as much room as the data.
        assert not left.exists()
        left.write_bytes(b"half")
        node.view("x")
        assert main(["backup", node.url, str(tmp_path / "backup")]) == 0
        assert "1 view of 1 video" in capsys.readouterr().out
