"""A plot as SVG text: lines over two logarithmic axes."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final, NamedTuple

WIDTH: Final = 460
HEIGHT: Final = 320
_LEFT, _TOP, _RIGHT, _BOTTOM = 70, 40, 20, 50
_COLOURS: Final = ("#2962a8", "#c2571a", "#3b7d3b", "#7a4fa0")


class Panel(NamedTuple):
    """One plot. `lines`: the points of each line, by its name; all numbers are above zero."""

    title: str
    across: str
    up: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def svg(panels: Sequence[Panel]) -> str:
    """The panels side by side."""
    size = f'width="{WIDTH * len(panels)}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for index, panel in enumerate(panels):
        parts += [f'<g transform="translate({index * WIDTH} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    x_from, x_to = _decades([x for x, _ in points])
    y_from, y_to = _decades([y for _, y in points])

    def x_at(x: float) -> float:
        share = (log10(x) - x_from) / (x_to - x_from)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y_at(y: float) -> float:
        share = (log10(y) - y_from) / (y_to - y_from)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    parts = [f'<text x="{_LEFT}" y="20" font-size="13">{escape(panel.title)}</text>']
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}">{escape(panel.across)}</text>')
    middle = HEIGHT / 2
    turned = f'transform="rotate(-90 14 {middle})" text-anchor="middle"'
    parts.append(f'<text x="14" y="{middle}" {turned}>{escape(panel.up)}</text>')
    for decade in range(x_from, x_to + 1):
        x = x_at(10**decade)
        parts.append(_line(x, y_at(10**y_from), x, y_at(10**y_to)))
        parts.append(f'<text x="{x - 8}" y="{HEIGHT - _BOTTOM + 16}">{_short(10**decade)}</text>')
    for decade in range(y_from, y_to + 1):
        y = y_at(10**decade)
        parts.append(_line(x_at(10**x_from), y, x_at(10**x_to), y))
        label = _short(10**decade)
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{label}</text>')
    for index, (name, line) in enumerate(panel.lines.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        path = " ".join(f"{x_at(x)},{y_at(y)}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in line:
            parts.append(f'<circle cx="{x_at(x)}" cy="{y_at(y)}" r="3" fill="{colour}"/>')
        y = _TOP + 14 * (index + 1)
        parts.append(f'<text x="{_LEFT + 8}" y="{y}" fill="{colour}">{escape(name)}</text>')
    return parts


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return low, max(high, low + 1)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#ddd"/>'


def _short(number: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:g} {unit}"
    return f"{number:g}"
