"""Fixtures that the server's tests share: a node that runs all the while, and a client of it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from ratchet.changes import Changes
from ratchet.slot import Slot
from ratchet_server.cli import main

# `testing` is not installed: it is a folder beside those that use it.
from testing import described
from testing.disk import fill, many
from testing.nodes import PATIENCE_S, Node, wait_until
from testing.servers.shared import Shared


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node without peers that counts any video. Its slot is open.

    Many tests share it: each must use videos of its own, and leave the node running.
    """
    with Node("a", tmp_path_factory.mktemp("node")) as node:
        node.start()
        wait_until(lambda: node.slot, "the slot is open")
        yield node


@pytest.fixture(scope="session")
def http(node: Node) -> Iterator[httpx.Client]:
    """A client of `node`."""
    with described.Client(base_url=node.url, timeout=PATIENCE_S, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Real brokers and registries. Each starts when a test first asks for it."""
    with Shared(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that takes a node a second to read. Copy it before use."""
    folder = tmp_path_factory.mktemp("large") / "data"
    return fill(
        folder, Changes(columns=(many(Slot("old", 1), 100_000),), newest={"old": 1, "a": 1})
    )


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """A function that runs `ratchet`, which must fail, and returns the line that says why."""

    def run(*arguments: str, environ: dict[str, str] | None = None) -> str:
        for name in [name for name in os.environ if name.startswith("RATCHET_")]:
            monkeypatch.delenv(name)
        for name, value in (environ or {}).items():
            monkeypatch.setenv(name, value)
        # Run it in this process: a new Python for each run would take longer than all else here. If
        # a node does start, this signal stops it, and its exit code fails the test.
        too_long = threading.Timer(10, os.kill, (os.getpid(), signal.SIGINT))
        too_long.start()
        try:
            code = main(arguments)
        except SystemExit as end:
            code = cast(int, end.code)
        finally:
            too_long.cancel()
        assert code in {1, 2}
        output = capsys.readouterr()
        assert output.out == ""
        *before, line = output.err.splitlines()
        # argparse prints the usage first.
        assert not before or before[0].startswith("usage: ratchet"), output.err
        return line

    return run
