"""Families of metrics: a name, what it means and what to do about it, and the values there are."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from prometheus_client import Metric
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from hub.core.histogram import Histogram

Values = float | Mapping[str, float] | Mapping[tuple[str, str], float]
"""One value, or values by what their labels say."""


def counter(name: str, about: str, values: Values, *labels: str) -> Metric:
    """What only grows, until the process begins anew."""
    family = CounterMetricFamily(name, about, labels=labels)
    for said, value in _samples(values):
        family.add_metric(said, value)
    return family


def gauge(name: str, about: str, values: Values, *labels: str) -> Metric:
    """What goes up and down."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for said, value in _samples(values):
        family.add_metric(said, value)
    return family


def histogram(name: str, about: str, measured: Histogram) -> Metric:
    buckets = [
        ("+Inf" if bound == inf else repr(float(bound)), count) for bound, count in measured.buckets
    ]
    return HistogramMetricFamily(name, about, buckets=buckets, sum_value=measured.sum)


def info(name: str, about: str, said: Mapping[str, str]) -> Metric:
    """What is always 1, for what its labels say."""
    return InfoMetricFamily(name, about, value=dict(said))


def _samples(values: Values) -> list[tuple[tuple[str, ...], float]]:
    if not isinstance(values, Mapping):
        return [((), values)]
    return [((key,) if isinstance(key, str) else key, value) for key, value in values.items()]
