"""Requests a second, in turn: a node with each ack, and the simpler servers, in several rounds."""

import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from bench import processes
from testing.nodes import HTTP

ROUNDS: Final = 5
FOR_S: Final = 2.0
VIEWS: Final = "/api/videos/tide/views"
OF_MANY: Final = "/api/videos/{n}/views"


class Load(NamedTuple):
    """Requests to one server."""

    server: str
    name: str
    path: str = VIEWS
    connections: int = 256
    keys: bool = False


ON_DISK: Final = f"{VIEWS}?ack=disk"
LOADS: Final = {
    "disk": Load("node", "a node, ack=disk", ON_DISK),
    "disk-64": Load("node", "a node, ack=disk, 64 connections", ON_DISK, 64),
    "key": Load("node", "a node, ack=disk, keys", ON_DISK, keys=True),
    "key-64": Load("node", "a node, ack=disk, keys, 64 connections", ON_DISK, 64, keys=True),
    "key-many": Load("node", "a node, ack=disk, keys, 1,000 videos", OF_MANY, keys=True),
    "memory": Load("node", "a node, ack=memory", f"{VIEWS}?ack=memory"),
    "bare": Load("bare", "bare Sanic handler"),
    "bare-64": Load("bare", "bare Sanic handler, 64 connections", connections=64),
    "redis": Load("redis", "Sanic + Redis INCR"),
    "sqlite": Load("sqlite", "Sanic + SQLite transaction a view"),
}
# Which two are compared, and the goal for their ratio.
GOALS: Final = (
    ("disk", "bare", 0.85),
    ("disk-64", "bare-64", 0.75),
    ("key", "bare", 0.65),
    ("key-64", "bare-64", 0.5),
    ("key-many", "bare", 0.65),
    ("key", "redis", 2.0),
    ("disk", "sqlite", None),
    ("memory", "bare", 0.85),
)


def measure(folder: Path) -> str:
    """Measure. Return the two tables."""
    with ExitStack() as stack:
        urls = {}
        # The node has no peer, so that one process does all the work, as with the others.
        urls["node"] = stack.enter_context(processes.serving(processes.node("a", folder / "a")))
        urls["bare"] = stack.enter_context(processes.serving(processes.server("bare")))
        if redis := stack.enter_context(processes.redis_server(folder)):
            urls["redis"] = stack.enter_context(processes.serving(processes.server("redis", redis)))
        file = str(folder / "peer.sqlite")
        urls["sqlite"] = stack.enter_context(processes.serving(processes.server("sqlite", file)))
        loads = {kind: load for kind, load in LOADS.items() if load.server in urls}
        rates: dict[str, list[float]] = {kind: [] for kind in loads}
        # A node without peers opens its slot after 2 s. This view waits for that.
        HTTP.post(urls["node"] + VIEWS).raise_for_status()
        for turn in range(ROUNDS):
            for kind, load in loads.items():
                print(f"\r  rates: round {turn + 1} of {ROUNDS}, {load.name:40}", end="",
                      file=sys.stderr, flush=True)  # fmt: skip
                rates[kind].append(_rate(urls[load.server], load))
        print(file=sys.stderr)
    return _tables(rates)


def _rate(url: str, load: Load) -> float:
    command = [sys.executable, "-m", "bench.load", url + load.path, str(FOR_S)]
    command += ["--connections", str(load.connections), *(["--keys"] if load.keys else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _tables(rates: dict[str, list[float]]) -> str:
    lines = ["| server | requests a second (median, least to most) |", "|---|---|"]
    for kind, (_, name, *_rest) in LOADS.items():
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
        lines.append(f"| {LOADS[ours].name} / {LOADS[theirs].name} | {measured} | {wanted} |")
    return "\n".join(lines)
