"""`python -m tests.bench.returning`: everybody comes back at once after the gateway was killed.

The gateway that they meet knows nobody: every key, room and page of history is read anew.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from hub.bench.cpu import family
from hub.bench.fanout import load_for
from hub.bench.load import Counted
from hub.bench.opening import Crowd, check_replay, open_all, resuming
from hub.bench.stage import Stage, open_api
from tests.bench.stock import stock
from tests.support.hub import HubProcess, run_hub
from tests.support.postgres import run_postgres

ENV = {"HUB_MAX_CONNECTIONS": "100000", "HUB_LOG_LEVEL": "warning"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the hub keeps its things."""

    folder: Path
    database: str

    def run(self) -> contextlib.AbstractContextManager[HubProcess]:
        env = ENV | {"HUB_DATABASE_URL": self.database}
        return run_hub(self.folder, "--no-demo", env=env)


@contextlib.contextmanager
def open_place(*, postgres: bool) -> Iterator[Place]:
    """An empty database of either kind. Call it from the main thread."""
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="returning-"))
        folder = Path(name) / "hub"
        url = f"sqlite:///{folder / 'hub.db'}"
        if postgres:
            url = stack.enter_context(run_postgres()).url()
        yield Place(folder, url)


async def come_back(hub: HubProcess, stage: Stage, crowd: Crowd, since: int) -> Counted:
    """Everybody resumes, and is sent what it missed; proved on samples."""
    assert hub.process is not None
    pids = family(hub.process.pid)
    async with open_api(hub.address, hub.key) as api:
        with tempfile.TemporaryDirectory(prefix="returning-") as folder:
            load = resuming(load_for(api, stage, crowd.shape, pids), since, folder)
            counted = await open_all(replace(load, settle_s=0.5))
            await check_replay(api, stage, load, since)
            return counted


def measure(place: Place, crowd: Crowd, repeats: int) -> list[Counted]:
    """Kill the hub and let everybody come back to the next one, so often."""
    with place.run():  # makes the tenant
        pass
    _say(f"{crowd.rooms} rooms of {crowd.members}")
    stage, since = asyncio.run(stock(place.database, crowd.rooms, crowd.members, crowd.missed))
    found = []
    for _ in range(repeats):
        with place.run() as hub:
            found.append(asyncio.run(come_back(hub, stage, crowd, since)))
            hub.kill()
        _say(f"{found[-1].connect_s + found[-1].ready_s:.2f} s")
    return found


def line(name: str, found: list[Counted]) -> str:
    """A line of the table."""
    took, conns = [each.connect_s + each.ready_s for each in found], found[0].conns
    cost = median(each.opening_cpu_s for each in found) * 1e6 / conns
    weight = median(each.grown_bytes for each in found) / conns
    cells = (f"{conns:,}", f"{median(took):.2f}", f"{max(took):.2f}", f"{cost:,.0f}")
    return f"| {name} | {' | '.join(cells)} | {weight:,.0f} |"


HEAD = (
    "| database | clients | all back s | worst s | CPU µs each | bytes each |\n"
    "|---|--:|--:|--:|--:|--:|"
)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.returning", description=__doc__)
    parser.add_argument("--rooms", type=int, default=100)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--missed", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    given = parser.parse_args()
    crowd = Crowd(given.rooms, given.members, missed=given.missed)
    lines = [HEAD]
    for name in ("sqlite", "postgres") if given.database == "both" else (given.database,):
        with open_place(postgres=name == "postgres") as place:
            lines.append(line(name, measure(place, crowd, given.repeats)))
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
