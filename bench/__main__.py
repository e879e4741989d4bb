"""The benchmark, or parts of it: progress on stderr, tables in Markdown on stdout."""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench import batches, latency, merges, pauses, rates, storage

HERE = Path(__file__).parent
PYODIDE = HERE.parent / "browser" / "node_modules" / "pyodide"


# Each part's name, and what it measures. The first one prints tables of its own.
PARTS: Final[Mapping[str, Callable[[Path], str]]] = {
    "rates": rates.measure,
    "latency": latency.measure,
    "batches": batches.measure,
    "merges": lambda _folder: (
        f"| merges in CPython | {merges.rate():,.0f} a second | |\n"
        f"| merges in Pyodide | {_in_pyodide()} | |"
    ),
    "memory": lambda _folder: storage.memory(),
    "start": storage.start,
    "catch-up": storage.catch_up,
    "pauses": pauses.measure,
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure speed.")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; default all"
    )
    parts = parser.parse_args().parts or [*PARTS]
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}: the parts are {', '.join(PARTS)}")
    print(f"# Ratchet, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    # In the repository's folder: /tmp may be in memory, which would make every disk fast.
    with tempfile.TemporaryDirectory(dir=HERE, prefix="results-") as folder:
        if "rates" in parts:
            print(PARTS["rates"](Path(folder)) + "\n", flush=True)
        print("| what | measured | goal |\n|---|---|---|")
        for part in parts:
            if part != "rates":
                print(PARTS[part](Path(folder)), flush=True)
    return 0


def _in_pyodide() -> str:
    command = ["node", str(HERE / "pyodide_merges.mjs"), str(PYODIDE)]
    command += [str(HERE.parent / "core" / "src"), str(HERE / "merges.py")]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        return "not measured: Node.js is not installed"
    return f"{float(done.stdout):,.0f} a second"


if __name__ == "__main__":
    sys.exit(main())
