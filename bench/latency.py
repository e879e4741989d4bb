"""Milliseconds from the response to a view on node a to the message at a watcher of node c."""

import json
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
from websockets.sync.client import connect

from bench import processes
from testing.nodes import PATIENCE_S

VIEWS: Final = 300
# Between two views, so that each is alone: the goal is for an idle machine.
PAUSE_S: Final = 0.15


def measure(folder: Path) -> str:
    """Measure. Return one line of the table."""
    with ExitStack() as stack:
        a = stack.enter_context(processes.serving(processes.node("a", folder / "la")))
        b_command = processes.node("b", folder / "lb", "--peer", a)
        b = stack.enter_context(processes.serving(b_command))
        c_command = processes.node("c", folder / "lc", "--peer", a, "--peer", b)
        c = stack.enter_context(processes.serving(c_command))
        live = c.replace("http", "ws", 1) + "/api/videos/tide/live"
        watcher = stack.enter_context(connect(live, proxy=None))
        watcher.recv()
        # One connection for all views: the time to close one would be subtracted from the latency.
        http = stack.enter_context(httpx.Client(base_url=a, timeout=PATIENCE_S, trust_env=False))
        took_ms = []
        for view in range(VIEWS):
            if view % 50 == 0:
                print(f"\r  latency: view {view} of {VIEWS}", end="", file=sys.stderr, flush=True)
            response = http.post("/api/videos/tide/views")
            answered = time.perf_counter()
            views = response.raise_for_status().json()["views"]
            while sum(json.loads(watcher.recv())["slots"].values()) < views:
                pass
            took_ms.append((time.perf_counter() - answered) * 1000)
            time.sleep(PAUSE_S)
        print(file=sys.stderr)
    cuts = statistics.quantiles(took_ms, n=100)
    return (
        f"| answered view on a to watcher on c | p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms "
        "| p99 < 50 ms |"
    )
