"""Another Pyodide loads from a node the very core that the node runs."""

import json
import subprocess
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
import ratchet
from ratchet_server.http.built import Built
from steps import for_others, node, pack

from testing.nodes import Node

HERE: Final = Path(__file__).parent
BROWSER: Final = HERE.parent
PYODIDE: Final = BROWSER / "node_modules/pyodide"
PACKAGE: Final = "ratchet-views-core"
LIBRARIES: Final = BROWSER.parent / "requirements/page.txt"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node("a", tmp_path_factory.mktemp("node"), data=":memory:") as serving:
        yield serving.start()


def in_another_pyodide(site: str, cache: Path, code: str) -> Any:
    """The value of this Python expression, where the core was loaded from that site."""
    script = HERE / "load_from_site.mjs"
    command = [node.program("node"), script, PYODIDE, site, cache, PACKAGE, code]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_it_is_the_nodes_core_and_merges_what_the_node_sends(serving: Node, tmp_path: Path) -> None:
    serving.view("tide")
    snapshot = serving.get("/api/videos/tide/snapshot").text
    code = f"""
import hashlib, importlib.metadata, json, pathlib, ratchet
from ratchet import passive
merged = json.loads(passive.merge("tide", "", "", {snapshot!r}))
folder = pathlib.Path(ratchet.__file__).parent
modules = {{
    file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.py")
}}
json.dumps([merged["value"], modules, importlib.metadata.version("{PACKAGE}")])"""
    value, modules, version = in_another_pyodide(serving.url, tmp_path, code)
    assert value == serving.get("/api/videos/tide").json()["views"] == 1
    ours = Path(ratchet.__file__).parent.glob("*.py")
    assert modules == {file.name: sha256(file.read_bytes()).hexdigest() for file in ours}
    # Node.js does not compare what it loads with the lock; browsers do.
    lock = serving.get("/pyodide/pyodide-lock.json").json()["packages"][PACKAGE]
    [loaded] = tmp_path.iterdir()
    assert loaded.name == lock["file_name"]
    assert sha256(loaded.read_bytes()).hexdigest() == lock["sha256"]
    assert version == lock["version"]


def test_the_lock_is_for_the_pyodide_of_our_page_and_has_one_entry() -> None:
    folder = Built.read(None).for_others
    lock = json.loads((folder / "pyodide-lock.json").read_text())
    theirs = json.loads((PYODIDE / "pyodide-lock.json").read_text())
    assert lock["info"] == theirs["info"]
    # What Pyodide needs to know of a package is what its own lock says of one.
    assert lock["packages"][PACKAGE].keys() == theirs["packages"]["micropip"].keys()
    [wheel] = folder.glob("*.whl")
    assert lock["packages"] == {
        PACKAGE: {
            **lock["packages"][PACKAGE],
            "file_name": wheel.name,
            "sha256": sha256(wheel.read_bytes()).hexdigest(),
            "imports": ["ratchet"],
            "depends": [],
            "install_dir": "site",
        }
    }


def test_the_same_core_makes_the_same_files_whatever_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = for_others.libraries(LIBRARIES, BROWSER / ".cache")
    core = BROWSER.parent / "core"
    for day in ("1000000000", "1100000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", day)
        for_others.make(PYODIDE, core, libraries, tmp_path / day)
    assert pack.tree(tmp_path / "1000000000") == pack.tree(tmp_path / "1100000000")
    assert pack.tree(tmp_path / "1000000000") == pack.tree(Built.read(None).for_others)


def test_the_wheel_has_sources_so_that_errors_show_lines_and_other_pyodides_read_them() -> None:
    [wheel] = Built.read(None).for_others.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    assert "ratchet/py.typed" in names
    assert not [name for name in names if name.endswith(".pyc")]
