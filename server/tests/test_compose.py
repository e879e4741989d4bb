"""The compose files: a node accepts what they give it. (No test here starts containers.)"""

import os
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest
from ratchet_server.container import NAME
from ratchet_server.peering.bus.kinds import checked_bus
from ratchet_server.settings import Settings, environment, sources

from testing.nodes import PATIENCE_S

PROJECT = Path(__file__).parents[2]
SECRET = "x" * 32
# Each list is what one `docker compose -f … -f …` reads.
THREE_NODES = [["compose.yaml"], ["compose.yaml", "compose.nats.yaml"]]


def environments(files: Sequence[str]) -> dict[str, dict[str, str]]:
    """The environment of each service that has one. A later file wins, variable by variable.

    It reads only what our files have of YAML: blocks, anchors, and one variable on a line.
    """
    found: dict[str, dict[str, str]] = {}
    for file in files:
        text = (PROJECT / file).read_text()
        anchors = re.findall(r"^x-.*: &(\w+)\n((?:  .*\n)+)", text, re.MULTILINE)
        _, _, services = text.partition("\nservices:\n")
        for name, content in re.findall(
            r"^  ([\w-]+):\n((?:    .*\n|\n)+)", services, re.MULTILINE
        ):
            block = content
            for anchor, lines in anchors:
                block = block.replace(f"*{anchor}\n", f"\n{lines}")
            _, _, given = block.partition("    environment:")
            variables = re.findall(r"^ +(RATCHET_\w+): (.*)$", given, re.MULTILINE)
            if variables:
                found.setdefault(name, {}).update((key, text.strip('"')) for key, text in variables)
    return found


def settings(environ: dict[str, str]) -> Settings:
    """The settings of a node with this environment, in which every variable is known."""
    given = {
        name: SECRET if value.startswith("${RATCHET_SECRET:?") else value
        for name, value in environ.items()
    }
    assert not environment.unknown(given)
    return sources.read(Namespace(), environment.effective(given))


@pytest.mark.parametrize("files", THREE_NODES)
def test_three_nodes_have_names_addresses_and_one_secret(files: list[str]) -> None:
    found = environments(files)
    nodes = [settings(found[f"node-{name}"]) for name in "abc"]
    assert [node.name for node in nodes] == ["a", "b", "c"]
    assert [node.advertise for node in nodes] == [f"http://node-{name}:1234" for name in "abc"]
    assert {node.secrets for node in nodes} == {(SECRET,)}
    assert found["balancer"]["RATCHET_NODES"] == "node-a:1234,node-b:1234,node-c:1234"


def test_the_nodes_dial_each_other() -> None:
    found = environments(["compose.yaml"])
    for name in "abc":
        others = {f"http://node-{other}:1234" for other in "abc" if other != name}
        assert {*settings(found[f"node-{name}"]).peers} == others


def test_with_nats_they_only_use_the_bus() -> None:
    files = ["compose.yaml", "compose.nats.yaml"]
    found = environments(files)
    for name in "abc":
        node = settings(found[f"node-{name}"])
        assert node.peers == ()
        (bus,) = node.buses
        assert str(bus) == "nats://nats:4222"
        # It is on another machine, and they have a secret for it.
        assert checked_bus(bus, node.secrets)
    # The broker is the service of that name, and listens there.
    broker = (PROJECT / "compose.nats.yaml").read_text()
    assert re.search(r"^  nats:\n    image: nats:\S+$", broker, re.MULTILINE)
    assert 'command: ["--addr", "0.0.0.0", "--port", "4222"]' in broker


def test_with_etcd_each_container_registers_its_own_address(tmp_path: Path) -> None:
    text = (PROJECT / "compose.etcd.yaml").read_text()
    found = environments(["compose.etcd.yaml"])
    [script] = re.findall(r'entrypoint: \["sh", "-c", "(.*)"\]', text)
    # What the image's command would start.
    for name, program in (
        ("ratchet", "exec printenv RATCHET_NAME RATCHET_ADVERTISE"),
        ("python", f'exec {sys.executable} "$@"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / NAME).write_text("first\n")
    environ = {
        "PATH": f"{tmp_path}:{os.defpath}",
        "RATCHET_DATA": str(tmp_path),
        "HOSTNAME": "4f2a",
    }
    started = subprocess.run(
        ["sh", "-c", script.replace("$$", "$")],
        env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    name, advertise = started.stdout.split()
    assert (name, advertise) == ("first", "http://4f2a:1234")
    node = settings(found["node"] | {"RATCHET_NAME": name, "RATCHET_ADVERTISE": advertise})
    assert [str(url) for url in node.registries] == ["etcd://etcd:2379/ratchet"]
    assert (node.peers, node.buses, node.on_term) == ((), (), "leave")
    # The balancer finds the containers by the names that compose gives them.
    project = re.search(r"^name: (\w+)$", text, re.MULTILINE)
    assert project
    hosts = [f"{project[1]}-node-{number}:1234" for number in range(1, 6)]
    assert found["balancer"]["RATCHET_NODES"] == ",".join(hosts)
