"""The core uses nothing outside itself, and each module imports only modules listed before it."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import ratchet

SOURCE: Final = Path(ratchet.__file__).parent
MODULES: Final = sorted(SOURCE.rglob("*.py"))

# The whole of the standard library that the core needs: no sockets, files, clocks or chance.
ALLOWED: Final = {
    "array", "bisect", "collections.abc", "dataclasses", "enum", "hashlib", "itertools", "json",
    "re", "typing",
}  # fmt: skip
# Built-in names that import without a statement, or reach the outside. It is enough to name one.
FORBIDDEN: Final = {"__import__", "open", "eval", "exec", "compile", "input", "print"}


def _foreign(source: str) -> set[str]:
    """Everything that a module uses beyond the core and the allowed modules, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN:
            found.add(node.id)
        found.update(name for name in names if name not in ALLOWED and not _own(name))
    return found


def _own(name: str) -> bool:
    return name == "ratchet" or name.startswith("ratchet.")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_of_the_core_imports_nothing_but_the_allowed(module: Path) -> None:
    assert _foreign(module.read_text("utf-8")) == set()


def _floors() -> list[str]:
    """The modules in the order in which the package's docstring lists them."""
    return re.findall(r"^    ([a-z_]+)  +\S", ratchet.__doc__ or "", re.MULTILINE)


def _imported(module: Path) -> set[str]:
    """The modules of the core that `module` imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "ratchet":
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ratchet."):
            found.add((node.module or "").removeprefix("ratchet."))
    return found


def test_the_package_lists_each_of_its_modules_once() -> None:
    assert sorted(_floors()) == sorted(path.stem for path in MODULES if path.stem != "__init__")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_imports_only_modules_that_are_listed_before_it(module: Path) -> None:
    if module.stem != "__init__":
        below = _floors()[: _floors().index(module.stem)]
        assert _imported(module) <= set(below)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_uses_no_private_name_of_another(module: Path) -> None:
    source = module.read_text("utf-8")
    private = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
    }
    assert private == set()


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_names_no_command_line(module: Path) -> None:
    # The core doesn't know which program drives it, or by which commands.
    assert not re.search(r"ratchet (retire|leave|drain|status|node)\b|--[a-z]|RATCHET_",
                         module.read_text("utf-8"))  # fmt: skip


def test_the_checks_read_every_module() -> None:
    assert {"replica", "codec", "passive", "counter"} <= {path.stem for path in MODULES}


@pytest.mark.parametrize(
    ("source", "foreign"),
    [
        ("import time", {"time"}),
        ("from time import time", {"time"}),
        ("import json, socket as s", {"socket"}),
        ("def late():\n    import random\n    return random.random()", {"random"}),
        ("class C:\n    async def f(self):\n        from asyncio import sleep", {"asyncio"}),
        ("if True:\n    try:\n        import os.path\n    except ImportError: ...", {"os.path"}),
        ("from . import sibling", {"."}),
        ("from ratchet_server import node", {"ratchet_server"}),
        ("import collections", {"collections"}),
        ("__import__('time')", {"__import__"}),
        ("open('x')", {"open"}),
        ("import json\nfrom ratchet.slot import Slot", set()),
    ],
)
def test_the_check_finds_every_way_to_the_outside(source: str, foreign: set[str]) -> None:
    assert _foreign(source) == foreign


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        # Pyodide loads it when a page opens, so it must stay light.
        ("ratchet.passive", ["socket", "asyncio", "random", "hashlib", "dataclasses", "ssl"]),
        ("ratchet.replica", ["socket", "asyncio", "random", "ssl", "threading", "sqlite3"]),
    ],
)
def test_importing_a_module_alone_imports_no_heavy_ones(module: str, heavy: list[str]) -> None:
    # -I and -S: no site-packages, only the core's own source and the standard library.
    program = (
        f"import sys, json; sys.path.insert(0, {str(SOURCE.parent)!r}); before = set(sys.modules)\n"
        f"import {module}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    brought = set(json.loads(run.stdout))
    assert module in brought
    assert brought.isdisjoint(heavy)
