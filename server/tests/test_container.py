"""The image's start of a node: the defaults of a container, and a name that lasts."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ratchet_server.container import NAME, as_name

from testing.nodes import PATIENCE_S

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A folder with a command `ratchet` that prints how it was started, as JSON."""
    command = tmp_path / "bin" / "ratchet"
    command.parent.mkdir()
    command.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "print(json.dumps([os.getpid(), sys.argv[1:], dict(os.environ)]))\n"
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return command.parent


def start(folder: Path, *arguments: str, **environ: str) -> tuple[list[str], dict[str, str]]:
    """Start the image's entry point. The arguments and the settings that the command got."""
    [entry] = re.findall(r"^ENTRYPOINT \[(.*)\]$", DOCKERFILE.read_text(), re.MULTILINE)
    python, *module = re.findall(r'"(.*?)"', entry)
    assert python == "python"
    with subprocess.Popen(
        [sys.executable, *module, *arguments],
        env={"PATH": f"{folder}:{os.defpath}"} | environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        pid, given, seen = json.loads(output)
        # The command has replaced the entry point, so that it gets the container's signals.
        assert pid == process.pid
    return given, {name: seen[name] for name in seen if name.startswith("RATCHET_")}


def test_the_defaults_are_those_of_a_container(started: Path, tmp_path: Path) -> None:
    given, settings = start(started, "node", "--open", RATCHET_DATA=str(tmp_path), RATCHET_HOST="")
    assert given == ["node", "--open"]
    name = as_name(socket.gethostname())
    assert settings == {
        "RATCHET_NAME": name, "RATCHET_HOST": "0.0.0.0", "RATCHET_DATA": str(tmp_path)
    }  # fmt: skip


def test_the_name_lasts_as_long_as_the_data(started: Path, tmp_path: Path) -> None:
    def name(**environ: str) -> str:
        return start(started, "node", RATCHET_DATA=str(tmp_path), **environ)[1]["RATCHET_NAME"]

    first = name()
    assert (tmp_path / NAME).read_text().strip() == first
    # The next container has another host name.
    (tmp_path / NAME).write_text("earlier-host\n")
    assert [name(), name(RATCHET_NAME="")] == ["earlier-host"] * 2
    # A name that is given wins, and changes nothing.
    assert name(RATCHET_NAME="a") == "a"
    assert name() == "earlier-host"


@pytest.mark.parametrize("data", [":memory:", "/nonexistent/folder"])
def test_without_a_folder_the_name_is_the_hosts(started: Path, data: str) -> None:
    _, settings = start(started, "node", RATCHET_DATA=data)
    assert settings["RATCHET_NAME"] == as_name(socket.gethostname())


@pytest.mark.parametrize(
    ("host", "name"),
    [("3f2a", "3f2a"), ("Web_1.example.com", "web-1-example-com"), ("x" * 70, "x" * 63)],
)
def test_any_host_name_makes_a_name(host: str, name: str) -> None:
    assert as_name(host) == name
