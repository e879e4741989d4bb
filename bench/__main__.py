"""The whole benchmark: progress on stderr, tables in Markdown on stdout."""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import batches, latency, merges, pauses, rates, storage

HERE = Path(__file__).parent
PYODIDE = HERE.parent / "browser" / "node_modules" / "pyodide"


def main() -> int:
    """Measure and print."""
    print(f"# Ratchet, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    # In the repository's folder: /tmp may be in memory, which would make every disk fast.
    with tempfile.TemporaryDirectory(dir=HERE, prefix="results-") as folder:
        print(rates.measure(Path(folder)) + "\n", flush=True)
        print("| what | measured | goal |\n|---|---|---|")
        print(latency.measure(Path(folder)), flush=True)
        print(batches.measure(Path(folder)), flush=True)
        print(f"| merges in CPython | {merges.rate():,.0f} a second | |", flush=True)
        print(f"| merges in Pyodide | {_in_pyodide()} | |", flush=True)
        print(storage.memory(), flush=True)
        print(storage.start(Path(folder)), flush=True)
        print(pauses.measure(Path(folder)), flush=True)
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
