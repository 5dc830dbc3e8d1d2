"""What a process tells Prometheus, read as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_text

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Scraped:
    """Families by name, as of one moment."""

    families: Mapping[str, Metric]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; none is no 0."""
        found = [
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"nothing is told of {name} {labels}"
        return sum(found)

    def has(self, name: str, **labels: str) -> bool:
        return any(
            sample.name == name and labels.items() <= sample.labels.items()
            for family in self.families.values()
            for sample in family.samples
        )


def read(response: httpx.Response) -> Scraped:
    """What an answer tells, in the format that it says it has."""
    response.raise_for_status()
    opened = response.headers["content-type"] == OPENMETRICS
    parse = read_openmetrics if opened else read_text
    return Scraped({family.name: family for family in parse(response.text)})


def scrape(address: str, timeout_s: float = 10, **headers: str) -> Scraped:
    """Ask once, on a connection of its own."""
    url = f"{address}/metrics"
    return read(httpx.get(url, headers=headers, trust_env=False, timeout=timeout_s))
