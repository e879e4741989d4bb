"""The longest wait of a view while an empty node fetches a million videos, and while they fold.

A view waits for the event loop, for the write that is under way, and for its own commit. So the
event loop never pauses for longer than the longest wait.
"""

import asyncio
import http.client
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ratchet_server.counting.datadir import DATABASE

from bench import processes, storage
from testing.nodes import HTTP

EVERY_S: Final = 0.02
IDLE_S: Final = 5.0
# The time between two requests for a node's progress: seldom, since each is work for the node.
LOOK_S: Final = 0.5
PATIENCE_S: Final = 300.0
# Room for the video of the views beside a million others.
ROOM: Final = {"RATCHET_MAX_VIDEOS": str(2 * storage.VIDEOS)}


def measure(folder: Path) -> str:
    """Measure. Return lines of the table."""
    print(f"  storing {storage.VIDEOS:,} videos", file=sys.stderr, flush=True)
    data = folder / "full"
    data.mkdir()
    asyncio.run(storage.fill(data / DATABASE))
    lines = []
    # The empty node serves at once: its reads are not measured here. It leaves at the end, so that
    # nothing is in the way of the fold.
    environ = ROOM | {"RATCHET_JOIN_TIMEOUT": "0", "RATCHET_ON_TERM": "leave"}
    with processes.serving(processes.node("a", data), ROOM) as a:
        # To compare with: some hundred views while nothing else goes on.
        with _views(a) as idle:
            time.sleep(IDLE_S)
        command = processes.node("b", folder / "empty", "--peer", a)
        with processes.serving(command, environ) as b, _views(a) as giving, _views(b) as taking:
            took_s = _wait(lambda: _digest(a) == _digest(b), "catching up")
    rate = storage.VIDEOS / took_s
    catch_up = f"{took_s:.0f} s, {rate:,.0f} rows a second"
    lines.append(f"| {storage.VIDEOS:,} videos reach an empty node | {catch_up} | |")
    lines.append(f"| longest wait of a view: nothing else goes on | {_longest(idle)} | |")
    lines.append(f"| … at the node that gives them | {_longest(giving)} | |")
    lines.append(f"| … at the node that takes them | {_longest(taking)} | |")
    environ = ROOM | {"RATCHET_FOLD_GRACE": "0"}
    with processes.serving(processes.node("a", data), environ) as a, _views(a) as folding:
        took_s = _wait(lambda: _lifted(a), "folding")
    lines.append(f"| {storage.VIDEOS:,} videos are folded | {took_s:.0f} s | |")
    lines.append(f"| longest wait of a view meanwhile | {_longest(folding)} | |")
    return "\n".join(lines)


@contextmanager
def _views(url: str) -> Iterator[list[float]]:
    """Send a view now and then. Yield the list of how long each response took, in seconds."""
    took: list[float] = []
    over = threading.Event()
    parts = urlsplit(url)
    # The first one waits until the node has opened its slot, which may take two seconds.
    HTTP.post(f"{url}/api/videos/probe/views").raise_for_status()

    def send() -> None:
        # Not httpx: it adds 0.35 ms to each response, twice what a view takes on an idle node.
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
        while not over.wait(EVERY_S):
            begun = time.perf_counter()
            connection.request("POST", "/api/videos/probe/views")
            response = connection.getresponse()
            response.read()
            took.append(time.perf_counter() - begun)
            assert response.status == 200
        connection.close()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()


def _wait(done: Callable[[], bool], what: str) -> float:
    begun = time.perf_counter()
    while not done():
        assert time.perf_counter() - begun < PATIENCE_S, f"{what} does not end"
        time.sleep(LOOK_S)
    took_s = time.perf_counter() - begun
    print(f"  {what} took {took_s:.0f} s", file=sys.stderr, flush=True)
    return took_s


def _digest(url: str) -> dict[str, int]:
    """How many changes each slot has, except the slots of the views that are being sent."""
    slots = _get(url, "/api/cluster")["slots"]
    return {slot["slot"]: slot["upto"] for slot in slots if slot["upto"] >= storage.VIDEOS}


def _lifted(url: str) -> bool:
    state = _get(url, "/api/cluster")
    return bool(state["folded"]) and all(slot["state"] != "lifting" for slot in state["slots"])


def _get(url: str, path: str) -> dict[str, Any]:
    state: dict[str, Any] = HTTP.get(url + path).raise_for_status().json()
    return state


def _longest(took_s: list[float]) -> str:
    ordered = sorted(took_s)
    middle = ordered[len(ordered) // 2] * 1000
    return f"{ordered[-1] * 1000:.0f} ms (median {middle:.0f} ms, {len(ordered)} views)"


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(dir=Path(__file__).parent, prefix="results-") as where:
        print(measure(Path(where)))
