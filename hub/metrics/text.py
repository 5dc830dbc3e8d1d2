"""Families of metrics as text: Prometheus' own format, or OpenMetrics for who accepts that.

https://prometheus.io/docs/instrumenting/exposition_formats, https://openmetrics.io
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Metric, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

OPENMETRICS: Final = "application/openmetrics-text"


class _Found(Collector):
    """What was collected, as the library takes it."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def text_of(families: Sequence[Metric], accept: str) -> tuple[bytes, str]:
    """The text and its content type. Whatever else a scraper accepts, it can read the older
    format."""
    kinds = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    if OPENMETRICS in kinds:
        text: bytes = openmetrics.generate_latest(_Found(families))  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(_Found(families)), CONTENT_TYPE_PLAIN_0_0_4
