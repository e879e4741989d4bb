"""Imports between the server's wings go one way. The contracts are in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import ratchet_server

SOURCE: Final = Path(ratchet_server.__file__).parent
ROOT: Final = Path(__file__).parents[2]
LINTER: Final = Path(sys.executable).with_name("lint-imports")

LAYERS: Final = "a layer imports only from the layers below it"
BELOW: Final = "below http nothing reaches Sanic"
ABOVE: Final = "above http nothing names Sanic"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the server's source that the test may break."""
    to = tmp_path / SOURCE.name
    return shutil.copytree(SOURCE, to, ignore=shutil.ignore_patterns("page", "__pycache__"))


def broken(source: Path) -> str | None:
    """The contracts that this source breaks, as the linter reports them; None if it breaks none."""
    run = subprocess.run(
        [LINTER, "--no-cache", "--no-logo", ROOT / "pyproject.toml"],
        cwd=source.parent,
        env=os.environ | {"PYTHONPATH": str(source.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    # Without this line, the linter itself has failed.
    assert "Contracts: " in run.stdout, run.stdout + run.stderr
    _, _, contracts = run.stdout.partition("\nBroken contracts\n")
    assert bool(contracts) == bool(run.returncode)
    return " ".join(contracts.split()) or None


def test_all_imports_go_the_right_way(copy: Path) -> None:
    assert broken(copy) is None


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("counting/keeper.py", "from ratchet_server.peering.mesh import Mesh", LAYERS),
        ("counting/keeper.py", "from ratchet_server.http.errors import ApiError", LAYERS),
        ("counting/departure.py", "from ratchet_server.operator import humanize", LAYERS),
        ("peering/mesh.py", "from ratchet_server.counting.keeper import Keeper", LAYERS),
        ("peering/mesh.py", "from ratchet_server.http.gate import Gate", LAYERS),
        ("operator/status.py", "from ratchet_server.http import cluster", LAYERS),
        ("client/calls.py", "from ratchet_server.operator import terminal", LAYERS),
        ("http/gate.py", "def late():\n    from ratchet_server import node", LAYERS),
        ("node.py", "from ratchet_server import cli", LAYERS),
        ("node.py", "from ratchet_server import demo", LAYERS),
        ("settings/values.py", "from ratchet_server import signals", LAYERS),
        ("another.py", "", LAYERS),
        ("counting/keeper.py", "from sanic.exceptions import SanicException", BELOW),
        ("peering/mesh.py", "from sanic.exceptions import WebsocketClosed", BELOW),
        ("operator/advice.py", "import sanic", BELOW),
        ("node.py", "from sanic import Sanic", ABOVE),
    ],
)
def test_an_import_that_goes_the_wrong_way_is_found(
    copy: Path, room: str, line: str, contract: str
) -> None:
    with (copy / room).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    found = broken(copy)
    assert found is not None
    assert contract in found
