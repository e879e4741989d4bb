"""`ratchet backup` copies the data of a node that runs, and `ratchet check` says what it has."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ratchet_server.cli import main
from ratchet_server.counting.datadir import DATABASE

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
            assert not [*Path(node.data).glob("*backup*")]
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

    def test_is_refused_where_the_node_has_no_room(self, tmp_path: Path, refused: Refused) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            node.view("x")
            # A folder is in the place of the copy.
            (Path(node.data) / "ratchet.backup.sqlite").mkdir()
            assert "can't copy its data" in refused("backup", node.url, str(tmp_path / "x"))
            assert node.view("x") == 2


class TestACheck:
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
        (Path(node.data) / "ratchet.backup.sqlite").write_bytes(b"half")
        node.view("x")
        assert main(["backup", node.url, str(tmp_path / "backup")]) == 0
        assert "1 views of 1 video" in capsys.readouterr().out
