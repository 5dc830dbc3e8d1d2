"""`python -m tests.reliability.cuts`: clients cut at random under load, on two gateways.

Prints what was done and how often a promise was broken; exits 1 when one was.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from tests.reliability.cutting import Outcome, Shape, cut
from tests.support.cluster import run_cluster

ENV = {"HUB_LOG_LEVEL": "warning"}


def _arguments() -> Shape:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=2_000)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--rooms", type=int, default=4)
    parser.add_argument("--per-s", type=float, default=200.0, help="posts a second, in all")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    return Shape(given.cuts, given.clients, given.rooms, given.per_s, given.seed)


def report(outcome: Outcome) -> str:
    """What was done, and what came of it."""
    cuts = ", ".join(f"{count} {how}" for how, count in outcome.cuts.most_common())
    kinds = ", ".join(f"{count} {kind}" for kind, count in outcome.kinds.most_common())
    resumes = sorted(outcome.resumes_ms)
    p50, p99 = statistics.median(resumes), resumes[int(len(resumes) * 0.99)]
    per_s = outcome.posts / outcome.seconds
    return "\n".join((
        f"{outcome.cuts.total()} cuts ({cuts}), {outcome.moved} resumed on the other gateway",
        f"resumes: {kinds}; p50 {p50:.0f} ms, p99 {p99:.0f} ms",
        f"{outcome.posts} posts in {outcome.seconds:.0f} s, {per_s:.0f} a second",
        str(outcome.tally),
        f"told to be too far behind: {outcome.too_far}",
        f"refused and tried again: {dict(outcome.refused) or 'none'}",
        *outcome.wrong[:20],
    ))  # fmt: skip


def main() -> int:
    shape = _arguments()
    with tempfile.TemporaryDirectory(prefix="cuts-") as folder:
        with run_cluster(Path(folder), env=ENV) as cluster:
            outcome = asyncio.run(cut(cluster, shape))
    print(report(outcome))
    return int(bool(outcome.wrong) or not outcome.tally.clean)


if __name__ == "__main__":
    sys.exit(main())
