"""The text that the demo prints when everything runs: what is where, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ratchet_server.demo.child import Child
from ratchet_server.operator.terminal import BOLD, Paint, wants_colour


def introduction(
    *,
    page: str,
    nodes: Sequence[Child],
    control: str,
    wire: str,
    balancer: str,
    data: Path,
    video: str,
    can_type: bool,
) -> str:
    """`can_type`: whether the user can press Enter."""
    paint = Paint(wants_colour())
    enter = ", and Enter here starts it" if can_type else ""
    lines = ["", f"{paint('Ratchet is running:', BOLD)}  {paint(page, BOLD)}", ""]
    lines += [f"  {node.title}    {node.url}    pid {node.pid}" for node in nodes]
    lines += [
        f"  cluster   {nodes[0].url}/cluster   who counts, and who has what",
        f"  control   {control}/state   where pages cut nodes off and kill them",
        f"  wire      {wire}",
        f"  balancer  {balancer}",
        f"  data      {data}   (kept for the next demo; remove it to start anew)",
        f"  logs      {data / 'logs'}",
        "",
        paint("Try this:", BOLD),
        "  1. Open the page in two browsers and play a clip: the number rises in both.",
        "  2. Reload. Each time another node answers, and the number never goes down.",
        "  3. Press D at a clip: the panel says why it shows this number.",
        f"     {page}/watch/{video}?debug",
        "     There you can also cut a node off, kill it, and start it: the page goes on.",
        f"     (kill -9 {nodes[-1].pid} is the same as its kill{enter}.)",
        f"  4. See how it works: {page}/learn",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)
