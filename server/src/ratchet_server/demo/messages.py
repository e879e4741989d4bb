"""The texts that the demo prints for its user."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ratchet_server.demo.child import Child


def introduction(
    *,
    page: str,
    nodes: Sequence[Child],
    control: str,
    balancer: str,
    data: Path,
    logs: Path,
    video: str,
    can_type: bool,
) -> str:
    """The demo prints this once, when everything runs. `can_type`: whether the user can press
    Enter."""
    lines = ["", f"{_bold('Ratchet is running:')}  {_bold(page)}", ""]
    lines += [f"  node {node.name}    {node.url}    pid {node.pid}" for node in nodes]
    lines += [
        f"  cluster   {nodes[0].url}/cluster   who counts, and who has what",
        f"  control   {control}/state   where pages cut nodes off and kill them",
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
        enter = ", and Enter here starts it" if can_type else ""
        lines += [
            "     There you can also cut a node off, kill it, and start it: the page goes on.",
            f"     (kill -9 {nodes[-1].pid} is the same as its kill{enter}.)",
        ]
    lines += [
        f"  4. See how it works: {page}/learn",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def start_by_hand(control: str, page: str, node: str) -> str:
    """How a user who can't press Enter starts a node."""
    headers = f"-H 'Origin: {page}' -H 'Content-Type: application/json'"
    command = f"curl -X POST {headers} {control}/nodes/{node}/start"
    return f"To start it again, use the panel of the page, or:\n  {command}"


def death(child: Child, *, pid: bool = False) -> str:
    """How a process ended, and its last lines."""
    name = f"{_title(child)} (pid {child.pid})" if pid else _title(child)
    return f"{name} {child.how_it_ended()}. {_log_of(child)}"


def not_ready(child: Child, timeout_s: float) -> str:
    """A process runs, and doesn't become ready."""
    return f"{_title(child)} is not ready after {timeout_s:.0f} s. {_log_of(child)}"


def ready_again(child: Child) -> str:
    """A process that was started again is ready."""
    return f"{_title(child)} is ready again, pid {child.pid}."


def killed(child: Child) -> str:
    """That it was stuck at the end of the demo."""
    return f"{_title(child)} (pid {child.pid}) did not stop by itself and is killed."


def _title(child: Child) -> str:
    return f"node {child.name}" if len(child.name) == 1 else f"the {child.name}"


def _log_of(child: Child) -> str:
    lines = child.last_lines()
    if not lines:
        return f"It wrote nothing ({child.log})."
    return f"Its last lines ({child.log}):\n" + "\n".join(f"  | {line}" for line in lines)


def _bold(text: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[1m{text}\x1b[0m"
