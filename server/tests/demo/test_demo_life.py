"""How the demo ends, what it starts again, and its settings."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from ratchet_server.demo import program
from ratchet_server.demo.machine import HOST, DemoError

from testing.demo import demo_as_a_job, demo_at_a_terminal, is_free, running_demo, runs
from testing.nodes import free_port, wait_until

JSON = {"Content-Type": "application/json"}


class TestTheEnd:
    @pytest.mark.parametrize("way", ["Ctrl-C", "Ctrl-C twice"])
    def test_ctrl_c_ends_everything_while_a_node_is_cut(self, tmp_path: Path, way: str) -> None:
        with demo_at_a_terminal(tmp_path) as (demo, typed):
            ports, pids = demo.every_port(), demo.children()
            assert len(pids) == 4
            assert len(ports) == 3 + 6 + 2
            demo.act("c", "cut")
            demo.view("c", "tide")
            # A page has sent a request just before.
            with httpx.Client(trust_env=False) as page:
                page.get(f"{demo.control}/state")
                began = time.monotonic()
                os.write(typed, b"\x03")
                if way == "Ctrl-C twice":
                    wait_until(lambda: "Stopping" in demo.printed, "it has received the first")
                    os.write(typed, b"\x03")
                assert demo.process.wait(20) == 0, demo.printed
            assert time.monotonic() - began < 12
        assert "Nothing is left running" in demo.printed
        assert not [pid for pid in pids if runs(pid)]
        assert not [port for port in ports if not is_free(port)]
        assert "Traceback" not in demo.printed

    def test_a_killed_demo_leaves_nothing(self, tmp_path: Path) -> None:
        with running_demo(tmp_path, 2) as demo:
            pids = demo.children()
            demo.process.kill()
            wait_until(lambda: not [pid for pid in pids if runs(pid)], "all are gone")

    def test_a_killed_balancer_is_started_by_enter(self, tmp_path: Path) -> None:
        with demo_at_a_terminal(tmp_path, 2) as (demo, typed):
            pid = next(pid for pid, one in demo.children().items() if " node " not in one)
            os.kill(pid, signal.SIGKILL)
            demo.wait_for("Press Enter")
            assert "the balancer" in demo.printed
            os.write(typed, b"\n")
            demo.wait_for("the balancer is ready again")
            demo.mend()

    def test_a_killed_node_is_started_by_enter(self, tmp_path: Path) -> None:
        with demo_at_a_terminal(tmp_path, 2) as (demo, typed):
            demo.act("b", "kill")
            demo.wait_for("Press Enter")
            os.write(typed, b"\n")
            demo.wait_for("node b is ready again")
            assert demo.node("b")["running"]


class TestCtrlZ:
    def test_it_holds_all_processes_until_the_demo_goes_on(self, tmp_path: Path) -> None:
        def is_held(pid: int) -> bool:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T"

        with demo_as_a_job(tmp_path, 2) as demo:
            pids = [demo.process.pid, *demo.children()]
            demo.process.send_signal(signal.SIGTSTP)
            wait_until(lambda: all(map(is_held, pids)), "all are held")
            demo.process.send_signal(signal.SIGCONT)
            wait_until(lambda: not any(map(is_held, pids)), "all go on")
            demo.mend()

    def test_without_a_shell_nothing_is_held(self, tmp_path: Path) -> None:
        with demo_at_a_terminal(tmp_path, 2) as (demo, typed):
            os.write(typed, b"\x1a")
            demo.act("b", "kill")
            demo.wait_for("Press Enter")
            demo.mend()


class TestTheStart:
    def test_a_second_demo_in_one_folder_says_so_in_one_line(self, tmp_path: Path) -> None:
        with running_demo(tmp_path, 1) as demo:
            command = [sys.executable, "-m", "ratchet_server", "demo"]
            second = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
            )
        assert second.returncode == 1
        assert f"the demo is already running ({demo.page.rpartition(':')[0]}" in second.stderr
        assert f"pid {demo.process.pid}" in second.stderr
        assert second.stderr.count("\n") == 1

    @pytest.mark.parametrize("taken", ["first_port", "balancer_port"])
    def test_a_taken_port_is_named_before_anything_starts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with socket.create_server((HOST, 0)) as other:
            port = other.getsockname()[1]
            ports = {"first_port": free_port(), "balancer_port": free_port(), taken: port}
            with pytest.raises(DemoError, match=f"port {port} on .* is taken"):
                program.run(1, **ports)

    def test_a_node_that_can_t_start_ends_the_demo_with_its_last_lines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("RATCHET_KEY_LIFETIME", "long")
        ports = {"first_port": free_port(), "balancer_port": free_port()}
        with pytest.raises(DemoError, match=r"(?s)node a .* ended with exit code 2.*KEY_LIFETIME"):
            program.run(1, **ports)


class TestSettings:
    def test_a_taken_port_moves_the_control_and_not_the_demo(self, tmp_path: Path) -> None:
        with socket.create_server((HOST, 0)) as other:
            taken = other.getsockname()[1]
            with running_demo(tmp_path, 1, control=taken) as demo:
                assert demo.control != f"http://{HOST}:{taken}"
                assert demo.state()["nodes"][0]["ready"]
                # A single node has no links, and can be killed nevertheless.
                assert demo.act("a", "kill").status_code == 200

    def test_with_a_secret_operators_calls_have_it(self, tmp_path: Path) -> None:
        with running_demo(tmp_path, 2, environ={"RATCHET_SECRET": "xyzzy"}) as demo:
            wait_until(lambda: demo.members() == {"a", "b"}, "b is known")
            demo.act("b", "kill")
            assert demo.act("b", "retire").status_code == 200
            demo.act("b", "start")
            wait_until(lambda: demo.node("b")["ready"], "b is ready")
            assert demo.act("b", "leave").status_code == 200
            wait_until(lambda: not demo.node("b")["running"], "b is gone")
