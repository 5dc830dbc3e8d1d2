"""The runs of a comparison as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from hub.bench.load import Counted

BOUND = 0.85
HEAD = """\
| rooms x members | server | deliveries/s | ratio | p50 ms | p99 ms | CPU µs | generator | runs |
|---|---|--:|--:|--:|--:|--:|--:|--:|"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one server; without a count, `fault` says why."""

    shape: str
    peer: str
    counted: Counted | None
    fault: str = ""


def markdown(runs: Sequence[Run], base: str) -> str:
    """Medians by shape and server, with the ratio of deliveries to those of `base`."""
    lines = [HEAD]
    for shape in dict.fromkeys(run.shape for run in runs):
        here = [run for run in runs if run.shape == shape]
        of_base = _counts([run for run in here if run.peer == base])
        for peer in dict.fromkeys(run.peer for run in here):
            lines.append(_line(shape, peer, [run for run in here if run.peer == peer], of_base))
    return "\n".join(lines)


def _counts(runs: Sequence[Run]) -> list[Counted]:
    return [run.counted for run in runs if run.counted]


def _speed(counts: Sequence[Counted]) -> float:
    return median(each.per_s for each in counts)


def _is_bound(counts: Sequence[Counted]) -> bool:
    """Whether the generator may have held the server back."""
    return median(each.busy for each in counts) >= BOUND


def _ratio(counts: Sequence[Counted], of_base: Sequence[Counted]) -> str:
    if not of_base:
        return "–"
    sign = {(True, True): "~", (True, False): "≥ ", (False, True): "≤ ", (False, False): ""}
    bound = sign[_is_bound(counts), _is_bound(of_base)] if counts != of_base else ""
    return f"{bound}{_speed(counts) / _speed(of_base):.2f}"


def _line(shape: str, peer: str, runs: Sequence[Run], of_base: Sequence[Counted]) -> str:
    good = _counts(runs)
    counts = f"{len(good)}/{len(runs)}"
    if not good:
        return f"| {shape} | {peer} | none: {runs[0].fault[:80]} | | | | | | {counts} |"
    least = "≥ " if _is_bound(good) else ""
    return (
        f"| {shape} | {peer} | {least}{_speed(good):,.0f} | {_ratio(good, of_base)} | "
        f"{median(c.p50_ms for c in good):.1f} | {median(c.p99_ms for c in good):.1f} | "
        f"{median(c.cpu_us for c in good):.2f} | {median(c.busy for c in good):.0%} | {counts} |"
    )
