"""Requests a second, in turn: a node with each ack, and the simpler servers, in several rounds."""

import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench import processes
from testing.nodes import HTTP

ROUNDS: Final = 5
FOR_S: Final = 2.0
VIEWS: Final = "/api/videos/tide/views"

# Which two are compared, and the goal for their ratio.
GOALS: Final = (
    ("disk", "bare", 0.65),
    ("disk", "redis", 1.8),
    ("disk", "sqlite", None),
    ("memory", "bare", 0.85),
)
NAMES: Final = {
    "disk": "a node, ack=disk",
    "memory": "a node, ack=memory",
    "bare": "bare Sanic handler",
    "redis": "Sanic + Redis INCR",
    "sqlite": "Sanic + SQLite transaction a view",
}


def measure(folder: Path) -> str:
    """Measure. Return the two tables."""
    with ExitStack() as stack:
        urls = {}
        # The node has no peer, so that one process does all the work, as with the others.
        urls["disk"] = stack.enter_context(processes.serving(processes.node("a", folder / "a")))
        urls["memory"] = urls["disk"]
        urls["bare"] = stack.enter_context(processes.serving(processes.server("bare")))
        if redis := stack.enter_context(processes.redis_server(folder)):
            urls["redis"] = stack.enter_context(processes.serving(processes.server("redis", redis)))
        file = str(folder / "peer.sqlite")
        urls["sqlite"] = stack.enter_context(processes.serving(processes.server("sqlite", file)))
        rates: dict[str, list[float]] = {kind: [] for kind in urls}
        # A node without peers opens its slot after 2 s. This view waits for that.
        HTTP.post(urls["disk"] + VIEWS).raise_for_status()
        for turn in range(ROUNDS):
            for kind, url in urls.items():
                print(f"\r  rates: round {turn + 1} of {ROUNDS}, {NAMES[kind]:40}", end="",
                      file=sys.stderr, flush=True)  # fmt: skip
                query = f"?ack={kind}" if kind in {"disk", "memory"} else ""
                rates[kind].append(_rate(url + VIEWS + query))
        print(file=sys.stderr)
    return _tables(rates)


def _rate(url: str) -> float:
    command = [sys.executable, "-m", "bench.load", url, str(FOR_S)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _tables(rates: dict[str, list[float]]) -> str:
    lines = ["| server | requests a second (median, least to most) |", "|---|---|"]
    for kind, name in NAMES.items():
        if kind in rates:
            low, middle, high = min(rates[kind]), statistics.median(rates[kind]), max(rates[kind])
            lines.append(f"| {name} | {middle:,.0f} ({low:,.0f} to {high:,.0f}) |")
        else:
            lines.append(f"| {name} | not measured: redis-server is not installed |")
    lines += ["", "| ratio (median of the rounds) | measured | goal |", "|---|---|---|"]
    for ours, theirs, goal in GOALS:
        wanted = f">= {goal}" if goal else ""
        if theirs in rates:
            pairs = [a / b for a, b in zip(rates[ours], rates[theirs], strict=True)]
            measured = f"{statistics.median(pairs):.2f}"
        else:
            measured = "not measured"
        lines.append(f"| {NAMES[ours]} / {NAMES[theirs]} | {measured} | {wanted} |")
    return "\n".join(lines)
