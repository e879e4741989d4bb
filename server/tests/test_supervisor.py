"""A node tells systemd when it is ready and when it stops; the unit in `deploy/` fits the node."""

import configparser
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ratchet_server import supervisor
from ratchet_server.settings import environment

from testing.nodes import PATIENCE_S, Node

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(PATIENCE_S)
        yield sock


class TestANode:
    def test_says_when_it_is_ready_and_when_it_stops(
        self, tmp_path: Path, systemd: socket.socket
    ) -> None:
        with Node("a", tmp_path, environ={"NOTIFY_SOCKET": systemd.getsockname()}) as node:
            node.start()
            assert systemd.recv(100) == b"READY=1"
            assert node.get("/readyz").status_code == 200
            assert node.stop() == 0
            assert systemd.recv(100) == b"STOPPING=1"

    def test_goes_on_without_a_supervisor_at_the_address(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, environ={"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as node:
            node.start()
            assert node.view("x") == 1
            assert "can't tell the supervisor" in node.log
            assert node.stop() == 0


def test_an_address_may_be_abstract() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0ratchet-test")
        sock.settimeout(PATIENCE_S)
        supervisor.tell("READY=1", {"NOTIFY_SOCKET": "@ratchet-test"})
        assert sock.recv(100) == b"READY=1"
        supervisor.tell("STOPPING=1", {})
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(100)


class TestTheUnit:
    def test_names_only_settings_that_there_are(self) -> None:
        lines = (DEPLOY / "ratchet.env").read_text().splitlines()
        unit = (DEPLOY / "ratchet.service").read_text().splitlines()
        lines += [line.removeprefix("Environment=") for line in unit if "=RATCHET_" in line]
        named = dict(line.split("=", 1) for line in lines if line.startswith("RATCHET_"))
        assert len(named) >= 6
        assert environment.unknown(named) == []

    def test_restarts_nothing_that_would_fail_again(self) -> None:
        unit = configparser.RawConfigParser(strict=False)
        # By default it writes names in small letters.
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(DEPLOY / "ratchet.service")
        service = unit["Service"]
        assert service["Type"] == "notify"
        assert service["RestartPreventExitStatus"].split() == ["2", "3"]
        # A node that leaves takes up to 75 s.
        assert int(service["TimeoutStopSec"]) >= 75

    @pytest.mark.skipif(
        shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze"
    )
    def test_is_one_that_systemd_reads_without_a_complaint(self, tmp_path: Path) -> None:
        # systemd looks whether the program is there.
        program = tmp_path / "ratchet"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        unit = (DEPLOY / "ratchet.service").read_text()
        copy = tmp_path / "ratchet.service"
        copy.write_text(unit.replace("/opt/ratchet/.venv/bin/ratchet", str(program)))
        command = ["systemd-analyze", "verify", "--man=no", str(copy)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        said = [line for line in done.stderr.splitlines() if "ratchet.service" in line]
        assert (done.returncode, said) == (0, []), done.stderr
