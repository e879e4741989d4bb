"""Builds the plain way to Python in a page: unchanged Pyodide, and a wheel that it loads."""

import shutil
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
    from steps import for_others, pack  # like build.py

    folder = out / "pyodide"
    folder.mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("plain_core.js"), out / "core.js")
    for name in FILES:
        shutil.copyfile(PYODIDE / name, folder / name)
    libraries = for_others.libraries(PROJECT / "requirements/page.txt", BROWSER / ".cache")
    for_others.make(PYODIDE, PROJECT / "core", libraries, folder)
    pack.compress(out, BROWSER / "node_modules/.cache/ratchet")
