"""Starts each server that is measured, in a process of its own, and ends it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `command`. Yield the URL at which it serves, from the line `ready … http://…` that it
    prints."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | dict(environ or {}),
        )
        try:
            assert process.stdout
            for line in process.stdout:
                if "ready" in line and (url := re.search(r"http://\S+", line)):
                    yield url[0]
                    break
            else:
                errors.seek(0)
                raise RuntimeError(f"{command[:5]} ended early: {errors.read()[-2000:]}")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout and process.stdout.close()


def node(name: str, data: Path, *flags: str) -> list[str]:
    """The command that starts a node, which counts any video."""
    command = [sys.executable, "-m", "ratchet_server", "node", "--name", name, "--open"]
    return [*command, "--port", "0", "--data", str(data), *flags]


def server(kind: str, where: str = "") -> list[str]:
    """The command that starts a simpler server."""
    return [sys.executable, "-m", "bench.servers", kind, where]


@contextmanager
def redis_server(folder: Path) -> Iterator[str | None]:
    """Run a Redis server. Yield the path of its socket; None if redis-server is not installed."""
    socket = folder / "redis.sock"
    try:
        process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "",
             "--dir", str(folder)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        yield None
        return
    try:
        while not socket.exists() and process.poll() is None:
            os.sched_yield()
        yield str(socket)
    finally:
        process.terminate()
        process.wait()
