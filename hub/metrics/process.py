"""What a process is and takes: version, loop, CPU, memory, files, garbage."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    Metric,
)

from hub.core.histogram import Histogram
from hub.metrics.families import histogram, info

_COLLECTORS: Final = (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR)


def of_process(lag_s: Histogram) -> Iterator[Metric]:
    """`lag_s` is how late the loop wakes up who sleeps."""
    yield info(
        "hub_build",
        "The version that runs. During an upgrade there are two.",
        {"version": version("roomhub")},
    )
    yield histogram(
        "hub_event_loop_lag_seconds",
        "How late the loop wakes who sleeps, tried four times a second. Over 0.1 the process is "
        "full: add a gateway, or see what blocks it (its CPU is at one core, or it is swapped).",
        lag_s,
    )
    for collector in _COLLECTORS:
        yield from collector.collect()
