"""A signal ends a node in order at every moment of its life, even the very first."""

import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ratchet_server import signals
from ratchet_server.__main__ import INTERRUPTED

from testing.nodes import HOST, Node, free_port, wait_until
from testing.processes import running

# All steps of a start are within the first second: the imports, the data, the mesh. Each signal is
# sent at every third of these moments.
MOMENTS_S = [moment / 20 for moment in range(21)]
# How many nodes start at once. More would take the processor from each other, so that no start
# would get far.
AT_ONCE = 4


def has_imported(pid: int, module: str) -> bool:
    """Whether the process has imported this module, which is a shared library."""
    return f"/{module}." in Path(f"/proc/{pid}/maps").read_text()


def ended_well(node: Node) -> None:
    assert (node.wait(), "Traceback" in node.log) == (0, False), node.log
    socket.create_server((HOST, node.port)).close()
    lock = Path(node.data) / "lock"
    if lock.exists():
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("number", signals.STOPS, ids=lambda number: number.name)
class TestANode:
    def test_ends_well_after_a_signal_at_any_moment(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        moments_s = MOMENTS_S[signals.STOPS.index(number) :: len(signals.STOPS)]
        for start in range(0, len(moments_s), AT_ONCE):
            with ExitStack() as stack:
                nodes = []
                for moment_s in moments_s[start : start + AT_ONCE]:
                    node = stack.enter_context(
                        Node(f"a{moment_s * 1000:.0f}", tmp_path, forked=False)
                    )
                    pid = node.spawn().pid
                    # This is one of the first of some hundred modules.
                    wait_until(lambda: has_imported(pid, "_asyncio"), "it imports")  # noqa: B023
                    # Wait for time here, not for a condition: any step may be the current one.
                    timer = threading.Timer(moment_s, os.kill, (pid, number))
                    stack.callback(timer.join)
                    timer.start()
                    nodes.append(node)
                for node in nodes:
                    ended_well(node)

    def test_ends_well_after_a_blocked_signal_from_before_python_started(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        with Node("a", tmp_path, forked=False) as node:
            # Processes inherit the mask. Without it, no handler could catch a signal this early.
            signal.pthread_sigmask(signal.SIG_BLOCK, signals.STOPS)
            try:
                node.spawn()
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOPS)
            # Send it again and again: also while the node stops, and while Python itself ends.
            while node.running:
                os.kill(node.pid, number)
                time.sleep(0.002)
            ended_well(node)


class TestSighup:
    @pytest.mark.parametrize("ignored", [False, True], ids=["as usual", "with nohup"])
    def test_makes_a_node_read_its_clips_at_every_moment(
        self, tmp_path: Path, ignored: bool
    ) -> None:
        (tmp_path / "tide.webm").write_bytes(b"clip")
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        try:
            with Node("a", tmp_path, flags=["--media", str(tmp_path)], forked=False) as node:
                pid = node.spawn().pid
                wait_until(lambda: has_imported(pid, "_asyncio"), "it imports")
                for _ in range(20):
                    os.kill(pid, signal.SIGHUP)
                    time.sleep(0.05)
                node.wait_for_log("ready: ")
                (tmp_path / "new.webm").write_bytes(b"clip")
                os.kill(pid, signal.SIGHUP)
                node.wait_for_log("added 1 (new)")
                assert node.get("/watch/new").status_code == 200
                assert node.stop() == 0
        finally:
            signal.signal(signal.SIGHUP, before)

    def test_stops_a_node_whose_terminal_has_closed(self, tmp_path: Path) -> None:
        keyboard, terminal = pty.openpty()
        (tmp_path / "tide.webm").write_bytes(b"clip")
        command = [sys.executable, "-m", "ratchet_server", "node", "--name", "a"]
        command += ["--media", str(tmp_path), "--data", ":memory:", "--port", str(free_port())]

        def take_the_terminal() -> None:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

        log = tmp_path / "log"
        with running(command, log, preexec_fn=take_the_terminal, stdin=terminal) as process:
            os.close(terminal)
            wait_until(lambda: "ready: " in log.read_text(), "the node serves")
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: "as before" in log.read_text(), "the node has read its clips")
            os.close(keyboard)
            assert process.wait(20) == 0
            assert "Traceback" not in log.read_text()


class TestOtherCommands:
    def test_ctrl_c_ends_them_without_output(self) -> None:
        with waiting_command() as (process, silent), silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            ended_by_ctrl_c(process)

    def test_ctrl_c_ends_them_during_their_imports(self) -> None:
        with waiting_command() as (process, _):
            # The HTTP client is imported right after it.
            wait_until(lambda: has_imported(process.pid, "_ssl"), "it imports")
            process.send_signal(signal.SIGINT)
            ended_by_ctrl_c(process)

    def test_ctrl_c_ends_them_where_python_drops_errors(self) -> None:
        code = """
import signal, time, weakref
from ratchet_server import signals

class Thing: ...

signals.insist()
thing = Thing()
reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
try:
    del thing
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
"""
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted\n", "")


@contextmanager
def waiting_command() -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    """A command that waits for a response that never comes."""
    with socket.create_server((HOST, 0)) as silent:
        url = f"http://{HOST}:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "ratchet_server", "status", url]
        with subprocess.Popen(
            command, stdout=-1, stderr=subprocess.STDOUT, preexec_fn=as_in_a_terminal
        ) as process:
            try:
                yield process, silent
            finally:
                process.kill()


def as_in_a_terminal() -> None:
    # A shell that runs the tests in the background may ignore Ctrl-C, and processes inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended_by_ctrl_c(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdout
    assert (process.wait(20), process.stdout.read()) == (INTERRUPTED, b"")
