"""`python -m bench.page`: the cost of a browser's first merge, compared with plain Pyodide.

Both ways are measured in turn, in one run, in a real Chromium. A small server sends what a node
would send. A cold start has a new profile. A warm start is the next visit with the same profile,
after the browser was closed. The time runs from the start of the worker to the result of its first
merge. The bytes are those that the server has sent by then, compressed as a node compresses them.
"""

import os
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserType, sync_playwright
from ratchet_server.http.built import PACKAGED

from bench import plain_page, wire
from testing.browsers import FLAGS, browser_program

HERE: Final = Path(__file__).parent
WAYS: Final = ("plain", "ours")
ROUNDS: Final = 5
WARM_VISITS: Final = 2
# For each figure: its unit, what to divide it by, and the goal for the ratio.
FIGURES: Final = {
    "cold, until the first merge": ("kB", 1000, "<= 0.6"),
    "cold, later, for the next start": ("kB", 1000, ""),
    "cold": ("ms", 1, ""),
    "warm, until the first merge": ("kB", 1000, ""),
    "warm": ("ms", 1, "<= 0.3"),
}
_FIRST_MERGE: Final = """async (script) => {
  const started = performance.now();
  const worker = new Worker(script, { type: 'module' });
  const value = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  if (value !== 42) throw new Error(`merged to ${value}`);
  return performance.now() - started;
}"""
# Waits until everything is stored for the next start. One transaction stores it all.
_KEPT: Final = """async () => {
  for (;;) {
    for (const name of await caches.keys()) {
      if ((await (await caches.open(name)).keys()).length) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}"""

Measured = dict[str, list[float]]


def main() -> int:
    """Measure and print."""
    built = Path(os.environ.get("RATCHET_PAGE", PACKAGED))
    # In the repository's folder: /tmp may be in memory, which would make every disk fast.
    with tempfile.TemporaryDirectory(dir=HERE, prefix="results-") as made:
        folders = {way: Path(made) / way for way in WAYS}
        _progress("packing both ways")
        plain_page.build(folders["plain"])
        shutil.copytree(built / "assets", folders["ours"])
        for folder in folders.values():
            shutil.copyfile(HERE / "page_worker.js", folder / "page_worker.js")
        measured: dict[str, Measured] = {way: defaultdict(list) for way in WAYS}
        with wire.serving(folders) as server, sync_playwright() as playwright:
            for turn in range(ROUNDS):
                for way in WAYS:
                    _progress(f"round {turn + 1} of {ROUNDS}, {way}")
                    _measure(playwright.chromium, server, way, measured[way], Path(made))
        print(file=sys.stderr)
    print(_table(measured["plain"], measured["ours"]))
    return 0


def _measure(
    chromium: BrowserType, server: wire.Wire, way: str, measured: Measured, folder: Path
) -> None:
    """Measure one cold visit and some warm ones."""
    program = browser_program(chromium)
    with tempfile.TemporaryDirectory(dir=folder) as profile:
        for visit in range(1 + WARM_VISITS):
            name = "warm" if visit else "cold"
            context = chromium.launch_persistent_context(
                profile, executable_path=program, args=list(FLAGS)
            )
            page = context.new_page()
            page.goto(f"{server.url}/")
            server.sent = 0
            measured[name].append(page.evaluate(_FIRST_MERGE, f"/{way}/page_worker.js"))
            sent = server.sent
            measured[f"{name}, until the first merge"].append(sent)
            if way == "ours":
                page.evaluate(_KEPT)
            if not visit:
                measured["cold, later, for the next start"].append(server.sent - sent)
            context.close()


def _table(plain: Measured, ours: Measured) -> str:
    lines = ["| | plain | ours | ratio | goal |", "|---|---|---|---|---|"]
    for name, (unit, one, goal) in FIGURES.items():
        pairs = [b / a for a, b in zip(plain[name], ours[name], strict=True) if a]
        ratio = f"{statistics.median(pairs):.3f}" if pairs else ""
        both = (_spread(way[name], unit, one) for way in (plain, ours))
        lines.append(f"| {name} | {' | '.join(both)} | {ratio} | {goal} |")
    return "\n".join(lines)


def _spread(values: list[float], unit: str, one: int) -> str:
    low, middle, high = (
        f"{value / one:,.0f}" for value in (min(values), statistics.median(values), max(values))
    )
    return f"{middle} {unit}" if low == high else f"{middle} {unit} ({low} to {high})"


def _progress(what: str) -> None:
    print(f"\r  page: {what:30}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
