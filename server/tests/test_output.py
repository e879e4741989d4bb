"""A stdout that is closed or full changes neither what a command does nor its exit code."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testing.nodes import PATIENCE_S, Node, connected, wait_until
from testing.wire import answers

RATCHET = [sys.executable, "-m", "ratchet_server"]


@contextmanager
def broken(kind: str) -> Iterator[int]:
    """A file descriptor to which every write fails."""
    if kind == "full":
        file = os.open("/dev/full", os.O_WRONLY)
    else:
        read, file = os.pipe()
        os.close(read)
    try:
        yield file
    finally:
        os.close(file)


def ratchet(kind: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    with broken(kind) as stdout:
        return subprocess.run(
            [*RATCHET, *arguments],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node("a", tmp_path, data=":memory:") as node:
        yield node.start()


@pytest.mark.parametrize("kind", ["closed", "full"])
class TestABrokenStdout:
    def test_does_not_stop_a_node(self, tmp_path: Path, kind: str) -> None:
        with broken(kind) as stdout, Node("a", tmp_path, stdout=stdout) as node:
            node.spawn()
            wait_until(lambda: answers(node), "it listens")
            wait_until(lambda: node.get("/readyz").status_code == 200, "it serves")
            assert node.view("x") == 1
            assert (node.stop(), "Traceback" in node.log) == (0, False), node.log

    @pytest.mark.parametrize("how", ["drain", "leave"])
    def test_does_not_make_drain_or_leave_fail(
        self, node: Node, tmp_path: Path, kind: str, how: str
    ) -> None:
        with Node("b", tmp_path, peers=[node.url], data=":memory:") as other:
            # A node fails to leave if no other one can keep that it has left.
            other.start()
            wait_until(lambda: other.slot and connected([node, other]), "b counts, too")
            ran = ratchet(kind, how, node.url)
            assert (ran.returncode, ran.stderr) == (0, "")
            assert node.wait() == 0

    def test_does_not_hide_the_error(self, kind: str) -> None:
        ran = ratchet(kind, "status", "http://127.0.0.1:1")
        assert ran.returncode == 1
        [line] = ran.stderr.splitlines()
        assert line.startswith("ratchet: no response from http://127.0.0.1:1")

    def test_does_not_make_help_fail(self, kind: str) -> None:
        ran = ratchet(kind, "node", "--help")
        assert (ran.returncode, ran.stderr) == (0, "")


class TestAReport:
    def test_that_is_read_in_part_is_no_failure(self, node: Node) -> None:
        """As in `ratchet status URL | head -1`."""
        ran = ratchet("closed", "status", node.url)
        assert (ran.returncode, ran.stderr) == (0, "")

    @pytest.mark.parametrize("flags", [[], ["--json"]])
    def test_that_cannot_be_written_is_a_failure(self, node: Node, flags: list[str]) -> None:
        ran = ratchet("full", "status", node.url, *flags)
        assert ran.returncode == 1
        [line] = ran.stderr.splitlines()
        assert line == "ratchet: can't write the answer: No space left on device"


class TestAStdoutThatWasClosedAtTheStart:
    def test_is_no_failure(self, node: Node) -> None:
        command = ["sh", "-c", '"$@" >&-', "sh", *RATCHET]
        for arguments in (["status"], ["drain"]):
            ran = subprocess.run(
                [*command, *arguments, node.url],
                stderr=subprocess.PIPE,
                timeout=PATIENCE_S,
                check=False,
            )
            assert (ran.returncode, ran.stderr) == (0, b"")


class TestABrokenStderr:
    def test_changes_no_exit_code(self) -> None:
        with broken("closed") as stderr:
            command = [*RATCHET, "status", "http://127.0.0.1:1"]
            ran = subprocess.run(command, stderr=stderr, stdout=-1, timeout=PATIENCE_S, check=False)
        assert (ran.returncode, ran.stdout) == (1, b"")
