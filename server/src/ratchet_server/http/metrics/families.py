"""Families of samples with labels, each in the order of their values."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from ratchet_server.durations import BOUNDS_S, Durations

# The value of the one label, or the values of all labels.
Key = TypeVar("Key", bound=str | tuple[str, ...])

_BOUNDS = [*map(floatToGoString, (*BOUNDS_S, float("inf")))]


def gauge(name: str, text: str, labels: Sequence[str], values: Mapping[Key, float]) -> Metric:
    """A gauge for each of `values`."""
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def counter(name: str, text: str, labels: Sequence[str], values: Mapping[Key, float]) -> Metric:
    """A counter for each of `values`. Prometheus appends `_total` to its name."""
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def histogram(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], Durations]
) -> Metric:
    """A histogram for each of `values`."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, durations in sorted(values.items()):
        buckets = [*zip(_BOUNDS, durations.up_to, strict=True)]
        family.add_metric(key, buckets, durations.total_s)
    return family


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[Key, float]) -> Metric:
    for key, value in sorted(values.items()):
        family.add_metric((key,) if isinstance(key, str) else key, value)
    return family
