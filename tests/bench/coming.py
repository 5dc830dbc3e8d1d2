"""`python -m tests.bench.coming`: clients that connect, beside a bare uvicorn with Starlette.

The hub authenticates each and subscribes it to a room; the bare server accepts and answers a frame.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from hub.bench.cpu import family
from hub.bench.fanout import load_for
from hub.bench.load import Counted, Load
from hub.bench.opening import Crowd, open_all
from hub.bench.stage import open_api, open_stage
from tests.bench.processes import free_port, run_server
from tests.support.hub import run_hub

BARE = Path(__file__).parent / "servers" / "bare.py"


@contextlib.contextmanager
def _open_bare(folder: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    with run_server([sys.executable, str(BARE), str(port)], port, folder / "bare.log") as pid:
        yield port, pid


def _line(name: str, found: list[Counted], base: list[Counted]) -> str:
    speed, of_base = _speed(found), _speed(base)
    cost = median(each.opening_cpu_s * 1e6 / each.conns for each in found)
    return f"| {name} | {speed:,.0f} | {speed / of_base:.2f} | {cost:,.0f} |"


def _speed(found: list[Counted]) -> float:
    return median(each.conns / (each.connect_s + each.ready_s) for each in found)


async def compare(crowd: Crowd, repeats: int, folder: Path) -> list[str]:
    """Lines of a table."""
    hubs: list[Counted] = []
    bare: list[Counted] = []
    with run_hub(folder / "hub", "--no-demo") as hub, _open_bare(folder) as (port, pid):
        assert hub.process is not None
        async with open_api(hub.address, hub.key) as api:
            async with open_stage(api, crowd.shape.groups, tell=_say) as stage:
                pids = family(hub.process.pid)
                load = replace(load_for(api, stage, crowd.shape, pids), publish="", keep=())
                other: Load = replace(load, port=port, pids=(pid,))
                for _ in range(repeats):
                    hubs.append(await open_all(load))
                    bare.append(await open_all(other))
    head = "| server | connections/s | ratio | CPU µs each |\n|---|--:|--:|--:|"
    return [head, _line("roomhub", hubs, bare), _line("bare uvicorn", bare, bare)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.coming", description=__doc__)
    parser.add_argument("--rooms", type=int, default=100)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coming-") as folder:
        crowd = Crowd(given.rooms, given.members)
        print("\n".join(asyncio.run(compare(crowd, given.repeats, Path(folder)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
