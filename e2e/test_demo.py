"""`ratchet demo`, as a newcomer meets it: it starts, counts, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from ratchet_server import demo

from e2e.viewer import Viewer
from testing.nodes import wait_until

PORTS = [demo.FIRST_PORT, demo.FIRST_PORT + 1, demo.FIRST_PORT + 2, demo.BALANCER_PORT]
SITE = f"http://{demo.HOST}:{demo.BALANCER_PORT}"


def is_free(port: int) -> bool:
    """Whether the demo can have it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((demo.HOST, port))
        except OSError:
            return False
        return True


@pytest.fixture
def running_demo(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A demo in a folder of its own, which says what it says to `demo.out` there."""
    taken = [port for port in PORTS if not is_free(port)]
    if taken:
        pytest.skip(f"the demo's ports are fixed, and something listens on {taken}")
    with (tmp_path / "demo.out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ratchet_server", "demo"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    yield process
    # Its nodes die with it, see child.py.
    process.kill()
    process.wait()


def test_the_demo_starts_counts_and_stops_with_nothing_left_running(
    running_demo: "subprocess.Popen[bytes]", tmp_path: Path, viewer: Viewer
) -> None:
    def said() -> str:
        text = (tmp_path / "demo.out").read_text()
        assert running_demo.poll() is None, text
        return text

    wait_until(lambda: "Ctrl-C stops everything" in said(), "the demo has introduced itself", 90)
    assert SITE in said()
    pids = [int(pid) for pid in re.findall(r"pid (\d+)", said())]
    assert len(pids) == 3

    viewer.page.goto(SITE)
    viewer.page.get_by_test_id("videos").get_by_role("link").first.click()
    viewer.play()
    viewer.sees(1)
    viewer.merged(1)
    video = viewer.page.url.rsplit("/", 1)[1]
    urls = [f"http://{demo.HOST}:{port}/api/videos/{video}" for port in PORTS[:3]]
    wait_until(lambda: all(_views(url) == 1 for url in urls), "all nodes count it")

    running_demo.send_signal(signal.SIGINT)
    assert running_demo.wait(60) == 0, (tmp_path / "demo.out").read_text()
    assert not [pid for pid in pids if _runs(pid)]
    assert [port for port in PORTS if is_free(port)] == PORTS


def _views(url: str) -> int:
    return int(httpx.get(url, trust_env=False, timeout=30).json()["views"])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
