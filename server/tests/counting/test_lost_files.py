"""Files that are deleted, moved or cut short under a running node: what it has answered stays."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ratchet_server.counting.datadir import DATABASE

from testing.disk import reads_that_can_fail
from testing.nodes import Node, wait_until
from testing.wire import key

LOG, INDEX = f"{DATABASE}-wal", f"{DATABASE}-shm"
NEW = "everything is in a new file"


def delete(*names: str) -> Callable[[Path], None]:
    def fault(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return fault


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, size)


def move(folder: Path) -> None:
    (folder / DATABASE).rename(folder / "moved")


def put_another_in_its_place(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "another", isolation_level=None)) as another:
        another.execute("CREATE TABLE letters (text)")
    (folder / "another").rename(folder / DATABASE)


FAULTS = {
    "all deleted": delete(DATABASE, LOG, INDEX),
    "the database deleted": delete(DATABASE),
    "the log deleted": delete(LOG),
    "the index deleted": delete(INDEX),
    "the database moved": move,
    "the database replaced": put_another_in_its_place,
    "the database cut to nothing": cut(DATABASE, 0),
    "the database cut short": cut(DATABASE, 8192),
    "the log cut to nothing": cut(LOG, 0),
    "the log cut short": cut(LOG, 5000),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_noticed_and_everything_is_in_a_new_file_within_seconds(
    tmp_path: Path, fault: str
) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        counted = {f"video-{n}": node.view(f"video-{n}") for n in range(20)}
        again = {"Idempotency-Key": key()}
        counted["x"] = node.post("/api/videos/x/views", again).json()["views"]
        FAULTS[fault](Path(node.data))
        # No request is needed for that.
        wait_until(lambda: NEW in node.log, "a new file is written")
        assert str(Path(node.data) / DATABASE) in node.log
        counted["y"] = node.view("y")
        # A key that is known counts no second time.
        assert not node.post("/api/videos/x/views", again).json()["counted"]
        node.restart()
        assert {video: node.views(video) for video in counted} == counted
        assert "Traceback" not in node.log_file.read_text()
        assert "damaged. " not in node.log


@pytest.mark.parametrize("lasts", ["for a moment", "for good"])
def test_files_that_cannot_be_read_cost_no_view_and_keys_only_if_that_lasts(
    tmp_path: Path, lasts: str
) -> None:
    """The counts are whole in memory, and the keys are not."""
    patch = tmp_path / "patch"
    broken = reads_that_can_fail(patch)
    if lasts == "for good":
        with (patch / "sitecustomize.py").open("a") as code:
            code.write("from ratchet_server.counting import health; health.KEYS_S = 1.5")
    with Node("a", tmp_path, environ={"PYTHONPATH": str(patch)}) as node:
        node.start()
        keys = [{"Idempotency-Key": key()} for _ in range(5)]
        for one in keys:
            assert node.post("/api/videos/x/views", one).json()["counted"]
        files = (Path(node.data) / name for name in (DATABASE, LOG))
        broken.write_text(" ".join(str(file.stat().st_ino) for file in files))
        answer = node.post("/api/videos/y/views", {"Idempotency-Key": key()})
        assert (answer.status_code, answer.json()["error"]) == (503, "data_lost")
        wait_until(lambda: "the Idempotency-Keys can't be read" in node.log, "it misses them")
        if lasts == "for a moment":
            broken.unlink()
        wait_until(lambda: NEW in node.log, "a new file is written")
        assert node.log.count("views are refused until") == 2
        assert node.views("x") == 5
        for one in keys:
            counted = node.post("/api/videos/x/views", one).json()["counted"]
            assert counted == (lasts == "for good")


@pytest.mark.parametrize("back", ["moved back", "made anew"])
def test_without_its_folder_a_node_refuses_views_until_it_can_write_again(
    tmp_path: Path, back: str
) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        node.view("x")
        folder = Path(node.data)
        folder.rename(tmp_path / "moved")
        wait_until(lambda: "the data is lost" in node.log, "the node says so")
        for _ in range(2):
            answer = node.post("/api/videos/x/views")
            assert (answer.status_code, answer.json()["error"]) == (503, "data_lost")
            assert node.views("x") == 1
        if back == "moved back":
            (tmp_path / "moved").rename(folder)
        else:
            folder.mkdir()
        wait_until(lambda: node.post("/api/videos/x/views").is_success, "views count")
        assert "takes views again" in node.log
        if back == "made anew":
            # (If it looked just before the old folder was back, it makes a new file there, too.)
            assert NEW in node.log
        node.restart()
        assert node.views("x") == 2
        assert "Traceback" not in node.log_file.read_text()


def test_a_database_that_is_gone_while_its_log_is_there_is_not_taken_for_a_new_one(
    tmp_path: Path,
) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        node.view("x")
        node.kill9()
        (Path(node.data) / DATABASE).unlink()
        before = (Path(node.data) / LOG).read_bytes()
        for _ in range(2):
            node.spawn()
            assert node.wait() == 1
            assert "Move the file away" in node.log.splitlines()[-1]
            assert LOG in node.log
        assert (Path(node.data) / LOG).read_bytes() == before


def test_a_log_that_another_program_empties_is_no_fault(tmp_path: Path) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        node.view("x")
        log = Path(node.data) / LOG
        with closing(sqlite3.connect(Path(node.data) / DATABASE)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            assert log.stat().st_size == 0
            assert node.view("x") == 2
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            seconds = {int(time.monotonic())}
            while len(seconds) < 4:
                node.view("y")
                seconds.add(int(time.monotonic()))
        assert "new file" not in node.log
