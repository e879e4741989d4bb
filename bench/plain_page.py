"""Builds the plain way to Python in a page: unchanged Pyodide, and a wheel that it loads."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[1]
BROWSER: Final = PROJECT / "browser"
PYODIDE: Final = BROWSER / "node_modules" / "pyodide"
FILES: Final = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")


def build(out: Path) -> None:
    """Write all files that the page loads into `out`, and compress them."""
    sys.path.append(str(BROWSER))
    from steps import pack  # like build.py

    folder = out / "pyodide"
    folder.mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("plain_core.js"), out / "core.js")
    for name in FILES:
        shutil.copyfile(PYODIDE / name, folder / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(PROJECT / "core")], check=True)
    [wheel] = folder.glob("*.whl")
    (folder / "pyodide-lock.json").write_text(json.dumps(_lock(wheel)))
    pack.compress(out, BROWSER / "node_modules/.cache/ratchet")


def _lock(wheel: Path) -> dict[str, object]:
    info = json.loads((PYODIDE / "pyodide-lock.json").read_text())["info"]
    package = {
        "name": "ratchet-views-core",
        "version": wheel.name.split("-")[1],
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": ["ratchet"],
        "depends": [],
        "unvendored_tests": False,
    }
    return {"info": info, "packages": {"ratchet-views-core": package}}
