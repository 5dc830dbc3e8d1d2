"""`python -m tests.bench.posters`: two gateways on PostgreSQL, one order and nothing lost.

Prints a row for each number of rooms and exits 1 when anything does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.bench.posting import Outcome, Shape, measure
from tests.support.cluster import run_cluster

ENV = {"HUB_LOG_LEVEL": "warning", "HUB_COMMANDS_PER_S": "100000"}
HEAD = ("rooms", "killed", "posts", "REST", "WebSocket", "unknown", "seconds", "posts/s", "faults")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.posters", description=__doc__)
    parser.add_argument("--rooms", type=int, nargs="+", default=[1, 10, 500])
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--posters", type=int, default=16)
    parser.add_argument("--rest", type=int, default=4, help="how many of them post over REST")
    parser.add_argument("--window", type=int, default=32, help="posts in flight a WebSocket")
    parser.add_argument("--kill", action="store_true", help="kill one gateway half way")
    return parser.parse_args()


def _run(shape: Shape) -> tuple[Outcome, list[str]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with run_cluster(Path(folder), env=ENV) as cluster:
            return asyncio.run(measure(cluster, shape))


def _row(shape: Shape, outcome: Outcome, faults: list[str]) -> str:
    cells = (
        shape.rooms, "yes" if shape.kill else "no", len(outcome.acks), outcome.via["REST"],
        outcome.via["WebSocket"], outcome.unknown, f"{outcome.seconds:.1f}",
        f"{outcome.per_s:.0f}", len(faults),
    )  # fmt: skip
    return _line(cells)


def _line(cells: tuple[object, ...]) -> str:
    return "  ".join(f"{cell:>9}" for cell in cells)


def main() -> int:
    given = _arguments()
    print(_line(HEAD))
    broken = False
    for rooms in given.rooms:
        shape = Shape(rooms, given.posts, given.posters, given.rest, given.window, given.kill)
        outcome, faults = _run(shape)
        print(_row(shape, outcome, faults), flush=True)
        for fault in faults:
            print(f"FAULT {fault}", file=sys.stderr)
        broken = broken or bool(faults)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
