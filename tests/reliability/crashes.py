"""`python -m tests.reliability.crashes`: workers die at every named point, under load.

Prints for each point how many final replies a mention has, and how many runs ended with the whole
text of the upstream; exits 1 when a mention has none or two, or fewer than 95 % are whole.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.models.server import run_model_server
from tests.reliability.crashing import Outcome, Shape, crash, settings
from tests.reliability.doomed import POINTS
from tests.support.cluster import run_cluster

SHARE_WHOLE = 0.95


def shapes(mentions: int, seed: int) -> dict[str, Shape]:
    """What is done to the workers, by name. A point that is passed at every piece is fatal less
    often than one that is passed once."""
    shares = dict.fromkeys(POINTS, 0.12) | {"mid-stream": 0.015}
    killed = {
        f"killed {point}": Shape(mentions, point, share, seed=seed)
        for point, share in shares.items()
    }
    return killed | {
        "paused past the lease": Shape(mentions, "none", 0.0, pause_every_s=0.5, seed=seed),
        "FLUSHALL": Shape(mentions, "none", 0.0, flush_every_s=0.2, seed=seed),
        "all at once": Shape(
            mentions, "any", 0.01, copies=3, pause_every_s=3, flush_every_s=0.5, seed=seed
        ),
    }


def good(outcome: Outcome) -> bool:
    """Whether everything that is promised was kept."""
    return set(outcome.finals) == {1} and outcome.share_whole >= SHARE_WHOLE


def report(name: str, outcome: Outcome) -> str:
    """A line of the table."""
    done = [f"{count} deaths" for count in (outcome.deaths.total(),) if count]
    done += [f"{outcome.pauses} pauses"] if outcome.pauses else []
    done += [f"{outcome.flushes} flushes"] if outcome.flushes else []
    return (
        f"| {name} | {', '.join(done)} | {dict(outcome.finals)} | {outcome.share_whole:.1%} "
        f"| {max(outcome.attempts)} | {outcome.seconds:.0f} s |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.crashes")
    parser.add_argument("--mentions", type=int, default=60, help="for each way to break it")
    parser.add_argument("--only", help="a part of the name of what is done")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    kept = True
    print("| workers are | how often | final replies: mentions | whole | most attempts | took |")
    print("|---|---|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="crashes-") as folder, run_model_server() as upstream:
        with run_cluster(Path(folder), 1, env=settings(upstream, Path(folder))) as cluster:
            for name, shape in shapes(given.mentions, given.seed).items():
                if given.only is None or given.only in name:
                    outcome = asyncio.run(crash(cluster, upstream, shape))
                    print(report(name, outcome), flush=True)
                    kept = kept and good(outcome)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
