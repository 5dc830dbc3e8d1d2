"""Families as the values in them."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric


def values(families: Iterable[Metric]) -> dict[str, float]:
    """Every sample without labels, by name."""
    return {s.name: s.value for family in families for s in family.samples if not s.labels}
