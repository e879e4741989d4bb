"""What the demo tells the person in front of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ratchet_server.child import Child


def introduction(
    *,
    page: str,
    nodes: Mapping[str, tuple[str, int]],
    playground: str,
    balancer: str,
    data: Path,
    logs: Path,
    video: str,
    typing: bool,
) -> str:
    """Said once, when everything runs. `nodes`: where each is, and its process; `typing`: whether
    the person can press Enter."""
    lines = ["", f"{_bold('Ratchet is running:')}  {_bold(page)}", ""]
    lines += [f"  node {name}    {url}    pid {pid}" for name, (url, pid) in nodes.items()]
    first_url = next(iter(nodes.values()))[0]
    last_pid = [*nodes.values()][-1][1]
    lines += [
        f"  cluster   {first_url}/cluster   who counts, and who has what",
        f"  control   {playground}/state   where pages cut nodes off and kill them",
        f"  balancer  {balancer}",
        f"  data      {data}   (kept for the next demo; remove it to start anew)",
        f"  logs      {logs}",
        "",
        _bold("Try this:"),
        "  1. Open the page in two browsers and play a clip: the number rises in both.",
        "  2. Reload. Each time another node answers, and the number never goes down.",
        "  3. Press D at a clip: the panel says why it shows this number.",
        f"     {page}/watch/{video}?debug",
    ]
    if len(nodes) > 1:
        enter = ", and Enter here starts it" if typing else ""
        lines += [
            "     There you can also cut a node off, kill it, and start it: the page goes on.",
            f"     (kill -9 {last_pid} is the same as its kill{enter}.)",
        ]
    lines += [
        f"  4. See how it works: {page}/learn",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def start_by_hand(playground: str, page: str, node: str) -> str:
    """For somebody who can't press Enter."""
    headers = f"-H 'Origin: {page}' -H 'Content-Type: application/json'"
    command = f"curl -X POST {headers} {playground}/nodes/{node}/start"
    return f"To start it again, use the panel of the page, or:\n  {command}"


def death(child: Child, *, pid: bool = False) -> str:
    who = f"{title(child)} (pid {child.pid})" if pid else title(child)
    return f"{who} {child.how_it_ended()}. {_log_of(child)}"


def not_ready(child: Child, timeout_s: float) -> str:
    return f"{title(child)} is not ready after {timeout_s:.0f} s. {_log_of(child)}"


def title(child: Child) -> str:
    return f"node {child.name}" if len(child.name) == 1 else f"the {child.name}"


def say(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        # Whoever read this is gone (`ratchet demo | head`). The children still have to be stopped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _log_of(child: Child) -> str:
    lines = child.last_lines()
    if not lines:
        return f"It wrote nothing ({child.log})."
    return f"Its last lines ({child.log}):\n" + "\n".join(f"  | {line}" for line in lines)


def _bold(text: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[1m{text}\x1b[0m"
