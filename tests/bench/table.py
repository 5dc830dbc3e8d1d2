"""The runs of a comparison as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from hub.bench.load import Counted

HEAD = """\
| rooms x members, in flight | server | deliveries/s | ratio | p50 ms | p99 ms | generator | runs |
|---|---|--:|--:|--:|--:|--:|--:|"""


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
        of_base = _middle([run for run in here if run.peer == base])
        for peer in dict.fromkeys(run.peer for run in here):
            lines.append(_line(shape, peer, [run for run in here if run.peer == peer], of_base))
    return "\n".join(lines)


def _middle(runs: Sequence[Run]) -> float | None:
    speeds = [run.counted.per_s for run in runs if run.counted]
    return median(speeds) if speeds else None


def _line(shape: str, peer: str, runs: Sequence[Run], of_base: float | None) -> str:
    good = [run.counted for run in runs if run.counted]
    counts = f"{len(good)}/{len(runs)}"
    if not good:
        return f"| {shape} | {peer} | none: {runs[0].fault[:80]} | | | | | {counts} |"
    speed = median(each.per_s for each in good)
    ratio = f"{speed / of_base:.2f}" if of_base else "–"
    return (
        f"| {shape} | {peer} | {speed:,.0f} | {ratio} | {median(c.p50_ms for c in good):.1f} | "
        f"{median(c.p99_ms for c in good):.1f} | {median(c.busy for c in good):.0%} | {counts} |"
    )
