"""What `/metrics` of a node says, read by prometheus_client's own parser."""

import re
from collections.abc import Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from testing.nodes import Node

# Each metric's name, and the names of the labels that it has.
Known = Mapping[str, set[str]]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_METRIC = re.compile(r"\b(?:ratchet|process|python)_\w+")
_SELECTOR = re.compile(r"\b((?:ratchet|process|python)_\w+)\s*\{([^}]*)\}")


def families(node: Node) -> list[Metric]:
    """All families."""
    return [*text_string_to_metric_families(node.get("/metrics").text)]


def value(node: Node, name: str, /, **labels: str) -> float | None:
    """The one sample with this name and exactly these labels; None if there is none."""
    found = [
        sample.value
        for family in families(node)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) < 2, f"{name} is there twice"
    return found[0] if found else None


def known(nodes: Iterable[Node]) -> Known:
    """What these nodes serve, with and without a label."""
    names: dict[str, set[str]] = {}
    for node in nodes:
        for family in families(node):
            for sample in family.samples:
                names.setdefault(sample.name, set()).update(sample.labels)
    return names


def unknown(expression: str, served: Known) -> set[str]:
    """The metrics in an expression of PromQL, and the labels in their selectors, that no node
    serves. (It knows no more of PromQL than that: `promtool` checks the rest.)"""
    words = _STRING.sub('""', expression)
    lacking = {name for name in _METRIC.findall(words) if name not in served}
    for name, selector in _SELECTOR.findall(words):
        labels = {part.split("=")[0].split("!")[0].strip() for part in selector.split(",")}
        # Prometheus adds these two to each sample.
        lacking |= {
            f"{name}{{{label}}}"
            for label in labels - {"", "job", "instance"} - served.get(name, set())
        }
    return lacking
